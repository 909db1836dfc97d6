# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the tests in network namespaces share. A test file says
#
#   load lib
#   setup() { test_begin; }
#   teardown() { test_end; }
#
# and has then, for each test:
#   $prefix  a lab's prefix of its own (namespaces $prefix-a, $prefix-a1, ...)
#   $work    a folder of its own: sockets, outputs, captures
#   $pins    a bpffs of its own
#   $top     the source tree; $bin its programs, $tools the test tools
#
# EMULATED=1 takes from bats its trap on every command, which says in which line a test failed, and
# costs an emulated machine a multiple of the test.
#
# Everything below waits with a time limit, and fails the test with a sentence
# when that has passed. PLACE is a namespace less its prefix: a, b, w, a1, b2.
#
#   lab [COUNT-A [COUNT-B]]        a lab (LAB_ROUTED=1 before: a routed one); its
#                                  functions (lab_ipv4, lab_mac...) are there, too
#   place PLACE COMMAND...         run in a place
#   start NAME PLACE COMMAND...    run in the background; its output is $work/NAME,
#                                  what it complains of $work/NAME.err
#   finish NAME [SECONDS]          wait for its end (30 s). Return: its exit status
#   stop NAME [SIGNAL]             end it (TERM), by force after 10 s. Return: its status
#   alive NAME                     whether it runs
#   until_true SECONDS COMMAND...  poll until the command succeeds. Return: 1 on time-out
#   fail SENTENCE...               fail, with the sentence
#   equal WHAT GOT WANTED          fail unless both are the same text
#   between WHAT GOT LEAST MOST    fail unless the whole number is in the range
#
#   start_jitneyd SIDE ARG...      start jitneyd as "SIDE" on a host, with nothing but
#                                  these flags, and wait until it is ready
#   start_controller SIDE ARG...   the same with --name, --uplink, --socket, --pin
#   guest_flags SIDE COUNT         --guest for each of the first COUNT guests
#   peer_flags SIDE                --peer for the other side, by the uplink's MAC
#   remote_flags SIDE COUNT        --remote for the other side's first guests, by MAC
#   start_pair [ARG...]            both controllers, with $guests_a and $guests_b guests
#                                  (of lab) and peers; the ARGs are flags of both.
#                                  Each knows the other's guests by --remote
#   ask SIDE COMMAND [FILTER]      the answer to `jitney --json COMMAND...`; of it
#                                  what the jq filter says (raw)
#   total SIDE NAME                one of the controller's totals
#   passed SIDE GUEST REASON       how many of a guest's packets passed, or were dropped, for it
#   wake FROM TO                   send a few datagrams from guest to guest until both
#                                  controllers have heard of each other; they forget
#                                  half a second after the last word
#   peers_up                       the same from a1 to b1
#
#   receive NAME PLACE ARG...      start jt-traffic recv, wait until it listens
#   transmit NAME PLACE ARG...     start jt-traffic send
#   report NAME FILTER             of the JSON that a receiver or sender left (raw)
#   intact NAME                    fail unless the receiver got all of what was sent,
#                                  once, in order, unaltered, with TOS and TTL as sent
#
#   watch NAME [FILTER [PORT]]     start tcpdump on a port of the wire (to-a)
#   unwatch NAME                   end it with nothing left behind in the kernel; fails
#                                  if it missed frames
#   watched NAME WHAT [FILTER]     of the frames that the tcpdump expression matches: how many
#                                  (frames), their bytes (bytes), or the bytes of time that they
#                                  take on the wire (wire: 24 more each; preamble, FCS, gap)

top=$(readlink -f "$BATS_TEST_DIRNAME/../..")
bin=$top/build/bin
tools=$top/build/tests
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C

# shellcheck source=scripts/lab-functions.sh
source "$top/scripts/lab-functions.sh"

declare -gA pid=() # of what runs, by name (load sources this in a function)

test_begin() {
	[[ ! ${EMULATED-} ]] || set +T
	prefix=jtbats$$
	work=$BATS_TEST_TMPDIR
	pins=$work/bpf
	mkdir "$pins"
	mount -t bpf bpf "$pins"
}

test_end() {
	local name
	for name in "${!pid[@]}"; do
		stop "$name" >/dev/null 2>&1 || true
	done
	# What helps to understand a failure.
	[[ ${BATS_TEST_COMPLETED:-} ]] || tail -n 5 "$work"/*.err 2>/dev/null || true
	lab_down "$prefix"
	umount "$pins"
}

fail() {
	echo "$*"
	return 1
}

equal() {
	[[ $2 == "$3" ]] || fail "$1: $2, not $3"
}

between() {
	(($2 >= $3 && $2 <= $4)) || fail "$1: $2, not $3 to $4"
}

until_true() {
	local deadline=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < deadline)) || return 1
		lab_pause 0.02
	done
}

# has_said NAME TEXT - a line of its messages begins so; asked often, and no process starts for it
has_said() {
	[[ $'\n'$(<"$work/$1.err") == *$'\n'"$2"* ]]
}

# --- processes ------------------------------------------------------------------

lab() {
	guests_a=${1:-4} guests_b=${2:-2}
	lab_up "$prefix" "$guests_a" "$guests_b"
}

place() {
	local where=$1
	shift
	lab_in "$prefix-$where" "$@"
}

start() {
	local name=$1 where=$2
	shift 2
	# Now and not in the background: what a predecessor said is no answer.
	: | tee "$work/$name" >"$work/$name.err"
	nsenter --net="/run/netns/$prefix-$where" -- "$@" >>"$work/$name" 2>>"$work/$name.err" \
		</dev/null 3>&- &
	pid[$name]=$!
}

# A process that has ended stays a zombie until it is waited for.
alive() {
	local state
	[[ ${pid[$1]:-} ]] && { read -r _ _ state _ <"/proc/${pid[$1]}/stat"; } 2>/dev/null && [[ $state != [ZX] ]]
}

has_ended() {
	! alive "$1"
}

finish() {
	local status=0
	[[ ${pid[$1]:-} ]] || fail "there is no $1" || return
	until_true "${2:-30}" has_ended "$1" || fail "$1 does not end: $(tail -n 3 "$work/$1.err")" || return
	wait "${pid[$1]}" || status=$?
	unset "pid[$1]"
	return "$status"
}

stop() {
	local status=0
	[[ ${pid[$1]:-} ]] || return 0
	kill "-${2:-TERM}" "${pid[$1]}" 2>/dev/null || true
	until_true 10 has_ended "$1" || {
		echo "$1 did not end when it was asked to"
		kill -KILL "${pid[$1]}"
	}
	wait "${pid[$1]}" || status=$?
	unset "pid[$1]"
	return "$status"
}

# --- controllers ------------------------------------------------------------------

other() {
	if [[ $1 == a ]]; then echo b; else echo a; fi
}

guests_of() {
	local i
	for ((i = 1; i <= $2; i++)); do echo "$1$i"; done
}

guest_flags() {
	guests_of "$@" | sed 's/.*/--guest=&=vif-&/'
}

peer_flags() {
	echo "--peer=$(other "$1")=$(lab_uplink_mac "$(other "$1")")"
}

remote_flags() {
	local guest
	for guest in $(guests_of "$(other "$1")" "$2"); do
		echo "--remote=$(lab_mac "$guest")=$(other "$1")"
	done
}

ready_or_dead() {
	has_said "$1" 'jitneyd: ready' || ! alive "$1"
}

# started SIDE - wait until it is ready, or fail
started() {
	local side=$1
	until_true 20 ready_or_dead "$side" || true
	alive "$side" || fail "jitneyd of $side has ended: $(<"$work/$side.err")" || return
	has_said "$side" 'jitneyd: ready' || fail "jitneyd of $side is not ready: $(<"$work/$side.err")"
}

begin_jitneyd() {
	local side=$1
	shift
	start "$side" "$side" "${JITNEYD:-$bin/jitneyd}" "$@"
}

start_jitneyd() {
	begin_jitneyd "$@"
	started "$1"
}

cpu_of() {
	[[ $1 == a ]] && echo 0 || echo $(($(nproc) - 1))
}

begin_controller() {
	local side=$1
	shift
	# Two that never sleep would starve each other on one CPU.
	begin_jitneyd "$side" --name="$side" --uplink=uplink --socket="$work/$side.sock" \
		--pin="$pins/$side" --cpu="$(cpu_of "$side")" "$@"
}

start_controller() {
	begin_controller "$@"
	started "$1"
}

start_pair() {
	local side count far
	for side in a b; do
		count=$guests_a far=$guests_b
		[[ $side == a ]] || count=$guests_b far=$guests_a
		# shellcheck disable=SC2046 # a flag a line
		begin_controller "$side" $(guest_flags "$side" "$count") $(peer_flags "$side") \
			$(remote_flags "$side" "$far") "$@"
	done
	# Most of a start is the verifier's work: on a CPU each.
	started a && started b
}

ask() {
	local side=$1 command=$2 filter=${3:-.}
	# shellcheck disable=SC2086 # "guest del NAME" is three words
	"$bin/jitney" --json --socket "$work/$side.sock" $command | jq -r "$filter"
}

total() {
	ask "$1" status ".totals.$2"
}

passed() {
	ask "$1" guests ".guests[] | select(.name == \"$2\") | .reasons.$3 // 0"
}

peer_state() {
	ask "$1" peers '.peers[].state'
}

# One alone would be cut through and wake nobody. They go on while the controllers are asked, which
# takes an emulated machine longer than they remember each other.
are_awake() {
	local status=0
	start waking "$1" bash -c "while :; do for i in 1 2 3 4; do echo >/dev/udp/$2/9; done; sleep 0.1; done"
	lab_pause 0.1
	[[ $(peer_state a) == *up* && $(peer_state b) == *up* ]] || status=1
	stop waking || true
	return "$status"
}

wake() {
	until_true 20 are_awake "$1" "$(lab_ipv4 "$2")" ||
		fail "peers: a says $(peer_state a), b says $(peer_state b)"
}

peers_up() {
	wake a1 b1
}

# --- traffic ------------------------------------------------------------------------

listens() {
	has_said "$1" 'recv: ready'
}

receive() {
	local name=$1 where=$2
	shift 2
	start "$name" "$where" "$tools/jt-traffic" recv "$@"
	until_true 10 listens "$name" || fail "$name does not listen: $(<"$work/$name.err")"
}

transmit() {
	local name=$1 where=$2
	shift 2
	start "$name" "$where" "$tools/jt-traffic" send "$@"
}

report() {
	jq -r "$2" "$work/$1"
}

is_ok() { [[ $(<"$work/$1") == *'"ok":true,'* ]]; }

intact() {
	is_ok "$1" || fail "$1: $(report "$1" 'del(.flows) | tojson')"
}

# --- the wire -----------------------------------------------------------------------

watching() {
	[[ $(<"$work/$1.err") == *'listening on'* ]]
}

watch() {
	local name=$1 filter=${2:-} port=${3:-to-a}
	# A slot of its ring has room for the snapshot: a short one makes many slots.
	start "$name" w tcpdump -Z root -i "$port" -B 65536 --immediate-mode -s 2048 -w "$work/$name.pcap" \
		"$filter"
	until_true 10 watching "$name" || fail "tcpdump does not start: $(<"$work/$name.err")"
}

# On SIGUSR1 tcpdump says: "N packets captured, N packets received by filter, ..."
caught_up() {
	local lines said
	lines=$(wc -l <"$work/$1.err")
	kill -USR1 "${pid[$1]}"
	until_true 5 said_more "$1" "$lines" || return
	said=$(tail -n 1 "$work/$1.err")
	[[ $said =~ ([0-9]+)\ packets?\ captured,\ ([0-9]+)\ packets?\ received ]] || return
	# What came before its filter was in place counts as received, for ever.
	[[ ${BASH_REMATCH[1]} == "${BASH_REMATCH[2]}" || $said == "$(cat "$work/$1.said" 2>/dev/null)" ]] ||
		{
			echo "$said" >"$work/$1.said"
			return 1
		}
}

said_more() {
	(($(wc -l <"$work/$1.err") > $2))
}

unwatch() {
	until_true 10 caught_up "$1" || fail "tcpdump does not keep up: $(tail -n 1 "$work/$1.err")"
	stop "$1" INT
	grep -q '^0 packets dropped by kernel' "$work/$1.err" || fail "tcpdump missed frames: $(tail -n 3 "$work/$1.err")"
}

watched() {
	local capture=$work/$1.pcap frames bytes
	if [[ ${3:-} ]]; then
		capture=$work/$1.matched.pcap
		tcpdump -Z root -r "$work/$1.pcap" -w "$capture" "$3" 2>/dev/null
	fi
	IFS=, read -r _ frames bytes < <(capinfos -TmrcdM "$capture")
	case $2 in
	frames) echo "$frames" ;;
	bytes) echo "$bytes" ;;
	wire) echo $((bytes + 24 * frames)) ;;
	esac
}
