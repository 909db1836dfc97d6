// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The helper's end of <jitney/attach.h>: a question, and the answer to it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest.h"

/* An answer takes the controller microseconds; who takes longer hangs. */
#define ANSWER_SECONDS 1

union fds_room {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(JT_FD_COUNT * sizeof(int))];
};

static int connection_open(const char *path)
{
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* @beside: a descriptor that goes along, or -1 */
static int question_send(int fd, struct jt_attach_message *m, int beside)
{
	struct iovec data = { m, sizeof(*m) };
	union fds_room room = { .bytes = { 0 } };
	struct msghdr msg = { .msg_iov = &data, .msg_iovlen = 1 };
	struct cmsghdr *c = &room.align;
	ssize_t n;

	if (beside >= 0) {
		msg.msg_control = room.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &beside, sizeof(int));
	}
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	/* So little goes as a whole, or the socket is of no use. */
	return n == sizeof(*m) ? 0 : -EPIPE;
}

/* Take what came along into @fds, by the order that it came in. Return: how many. */
static unsigned int fds_take(struct msghdr *msg, int *fds, unsigned int count)
{
	struct cmsghdr *c;
	unsigned int i, came;
	int fd;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		came = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (i = 0; i < came; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (count < JT_FD_COUNT)
				fds[count++] = fd;
			else
				close(fd);
		}
	}
	return count;
}

static int answer_receive(int fd, struct jt_attach_message *m, int *fds, unsigned int *count)
{
	size_t got = 0;
	ssize_t n;

	*count = 0;
	while (got < sizeof(*m)) {
		struct iovec data = { (char *)m + got, sizeof(*m) - got };
		union fds_room room;
		struct msghdr msg = { .msg_iov = &data,
				      .msg_iovlen = 1,
				      .msg_control = room.bytes,
				      .msg_controllen = sizeof(room) };

		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ECONNRESET;
		*count = fds_take(&msg, fds, *count);
		got += (size_t)n;
	}
	return 0;
}

/* One question. What comes along lands in @fds, in the order that it came in. */
static int exchange(int fd, uint32_t op, struct jt_attach_message *m, int beside, int *fds,
		    unsigned int *count)
{
	int err;

	*count = 0;
	m->magic = JT_ATTACH_MAGIC;
	m->version = JT_ATTACH_VERSION;
	m->size = sizeof(*m);
	m->op = op;
	m->error = 0;
	err = question_send(fd, m, beside);
	if (!err)
		err = answer_receive(fd, m, fds, count);
	if (!err && (!jt_attach_sound(m) || m->error > 0))
		err = -EPROTO;
	return err;
}

static void close_all(const int *fds, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Each descriptor to its place. Return: 0, or -EPROTO if there are more or fewer than bits. */
static int fds_place(struct jitney *j, uint32_t bits, const int *came, unsigned int count)
{
	unsigned int i, used = 0;

	if (bits >> JT_FD_COUNT || (unsigned int)__builtin_popcount(bits) != count)
		return -EPROTO;
	for (i = 0; i < JT_FD_COUNT; i++)
		if (bits & 1U << i)
			j->fds[i] = came[used++];
	return 0;
}

int jt_attach_open(struct jitney *j, const char *path, struct jt_attach_message *m)
{
	int fd = connection_open(path), space, fds[JT_FD_COUNT], err;
	unsigned int count = 0;

	if (fd < 0)
		return fd;
	space = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	err = exchange(fd, JT_ATTACH_HELLO, m, space, fds, &count);
	if (space >= 0)
		close(space);
	if (!err)
		err = m->error;
	if (!err)
		err = fds_place(j, m->u.hello.fds, fds, count);
	if (err) {
		close_all(fds, count);
		close(fd);
		return err;
	}
	j->connection = fd;
	return 0;
}

/* What a question takes: the controller shows what calls save that are none. */
static void asked(struct jitney *j, uint64_t ns)
{
	struct jt_slice *slice = j->view.slice;

	if (!slice)
		return;
	JT_WRITE(slice->asked_ns, slice->asked_ns + ns);
	JT_WRITE(slice->asked, slice->asked + 1);
}

int jt_attach_ask(struct jitney *j, uint32_t op, struct jt_attach_message *m)
{
	uint64_t start = jt_env_now();
	int fds[JT_FD_COUNT], err;
	unsigned int count;

	if (j->connection < 0)
		return -EPIPE;
	err = exchange(j->connection, op, m, -1, fds, &count);
	close_all(fds, count);
	if (!err) {
		asked(j, jt_env_now() - start);
		return m->error;
	}
	/* A late answer would be taken for the next one's: have the connection seen as lost. */
	shutdown(j->connection, SHUT_RDWR);
	j->upkeep_ns = 0;
	return err;
}

void jt_attach_close(struct jitney *j)
{
	unsigned int i;

	close_all(j->fds, JT_FD_COUNT);
	for (i = 0; i < JT_FD_COUNT; i++)
		j->fds[i] = -1;
	if (j->connection >= 0)
		close(j->connection);
	j->connection = -1;
}

/* The controller says nothing unasked: what can be read is the end. */
bool jt_attach_lost(const struct jitney *j)
{
	char byte;

	return recv(j->connection, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
	       (errno != EAGAIN && errno != EINTR);
}
