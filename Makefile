# SPDX-License-Identifier: GPL-2.0-only
#
# `make help` says what there is. Everything that is made lies in build/.
# A directory that holds no sources yet makes no targets.

VERSION := 0.1.0
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc

# `make vm-qemu SHELL=1` wants a shell in the machine, and the recipes want bash.
vm_shell := $(filter 1,$(SHELL))
override SHELL := /bin/bash
CC = gcc
CLANG ?= clang
BPFTOOL ?= bpftool
PKG_CONFIG ?= pkg-config

MAKEFLAGS += --no-builtin-rules
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += --jobs=$(shell nproc)
endif
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
export PATH := $(PATH):/usr/sbin:/sbin

# `make V=1` shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$1' '$(2:$(CURDIR)/%=%)')

# --- flags ---------------------------------------------------------------

CFLAGS ?= -O2 -g
LDFLAGS ?= -Wl,--as-needed
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(CFLAGS) -Wall -Wextra -Wno-unused-parameter \
	-Werror=implicit-function-declaration -ffile-prefix-map=$(CURDIR)=. \
	-DJT_VERSION='"$(VERSION)"' -Iheaders -Iuser -Ibuild/bpf
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter \
	-ffile-prefix-map=$(CURDIR)=. -Ivmlinux -Iheaders
ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TSAN := -fsanitize=thread
FUZZ := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

# Asked once, at first use: `make deps` may run before.
once = $(eval $1 := $(shell $(PKG_CONFIG) $2))$($1)
JITNEYD_PKGS := libbpf libxdp libnl-route-3.0 libnl-3.0 jansson inih
JITNEY_PKGS := jansson libbpf libnl-route-3.0 libnl-3.0 glib-2.0
AGENT_PKGS := libbpf libnl-route-3.0 libnl-3.0
TEST_PKGS := $(JITNEYD_PKGS) cmocka
PKG_CFLAGS = $(call once,PKG_CFLAGS,--cflags $(TEST_PKGS))
WIRETAP_CFLAGS = $(call once,WIRETAP_CFLAGS,--cflags wireshark)
JITNEYD_FOUND = $(call once,JITNEYD_FOUND,--libs $(JITNEYD_PKGS))
JITNEY_FOUND = $(call once,JITNEY_FOUND,--libs $(JITNEY_PKGS))
AGENT_FOUND = $(call once,AGENT_FOUND,--libs $(AGENT_PKGS))
TEST_FOUND = $(call once,TEST_FOUND,--libs $(TEST_PKGS))
DPDK_CFLAGS = $(call once,DPDK_CFLAGS,--cflags libdpdk)
DPDK_FOUND = $(call once,DPDK_FOUND,--silence-errors --libs libdpdk)
JITNEYD_LIBS = $(JITNEYD_FOUND) $(XEN_FOUND) -lm -lpthread
JITNEY_LIBS = $(JITNEY_FOUND) -lwiretap -lwsutil -lm
AGENT_LIBS = $(AGENT_FOUND) $(XEN_FOUND)
GUEST_LIBS = -ljansson -lpcap -lm
TEST_LIBS = $(TEST_FOUND) $(XEN_FOUND) -lm -lpthread

# --- what there is ---------------------------------------------------------

COMMON_C := $(wildcard user/common/*.c)
# Without the libraries of Xen its guests have no helpers.
XEN_PKGS := xengnttab xenevtchn xenstore
XEN_FOUND = $(call once,XEN_FOUND,--silence-errors --libs $(XEN_PKGS))
sources = $(filter-out $(if $(XEN_FOUND),%/no_xen.c,%/xen.c %/xen_memory.c %/xen_store.c),$(wildcard $1))
JITNEYD_C := $(call sources,user/controller/*.c user/backend/*.c)
JITNEY_C := $(wildcard user/cli/*.c)
AGENT_C := $(call sources,user/agent/*.c)
LIBJITNEY_C := $(wildcard user/guest/*.c)
GUEST_C := $(wildcard user/guest/cli/*.c)
# What is loaded on the host is one object; the guest's program is another.
BPF_O := $(patsubst bpf/%.c,build/bpf/%.o,$(filter-out bpf/guest.bpf.c,$(wildcard bpf/*.bpf.c)))
SKELETON := build/bpf/jitney.skel.h
GUEST_SKELETON := build/bpf/guest.skel.h

PROGRAMS := $(if $(JITNEYD_C),build/bin/jitneyd) $(if $(JITNEY_C),build/bin/jitney) \
	$(if $(GUEST_C),build/bin/jitney-guest) $(if $(AGENT_C),build/bin/jitney-agent)
LIBRARIES := $(if $(LIBJITNEY_C),build/lib/libjitney.so.0 build/lib/libjitney.a)
ASAN_PROGRAMS := $(if $(JITNEYD_C),build/asan/jitneyd)

tests = $(patsubst $1/%.c,build/tests/%,$(wildcard $1/$2.c))
TOOLS := $(call tests,tests/tools,*)
THREADS := $(call tests,tests/unit,test_threads*)
UNIT := $(filter-out $(THREADS) $(if $(XEN_FOUND),,build/tests/test_xen),$(call tests,tests/unit,test_*))
BPF_TESTS := $(call tests,tests/bpf,test_*)
FUZZERS := $(call tests,tests/fuzz,fuzz_*)
DPDK_BENCH := build/tests/bench_dpdk
# Only where there is DPDK.
BENCHES := $(filter-out $(if $(DPDK_FOUND),,$(DPDK_BENCH)),$(call tests,tests/bench,bench_*))
COUNTS := $(call tests,tests/instructions,count_*)
FAIL := $(patsubst tests/fault/%.c,build/tests/%.so,$(wildcard tests/fault/fail.c))

# --- main targets ------------------------------------------------------------

.PHONY: all bpf tools unit threads bpf-tests fuzzers benches counts tests deps demo check bench
.PHONY: renew-instructions vm-kernels vm-qemu vm-xen
.PHONY: install uninstall clean format help

all: bpf $(PROGRAMS) $(LIBRARIES) $(TOOLS)
bpf: build/bpf/jitney.bpf.o $(SKELETON) build/bpf/guest.bpf.o $(GUEST_SKELETON)
tools: $(TOOLS)
unit: $(UNIT)
threads: $(THREADS)
bpf-tests: $(BPF_TESTS)
fuzzers: $(FUZZERS)
benches: $(BENCHES)
counts: $(COUNTS)
tests: all $(UNIT) $(THREADS) $(BPF_TESTS) $(FUZZERS) $(BENCHES) $(COUNTS) $(FAIL) $(ASAN_PROGRAMS)

deps:
	@scripts/install-deps

demo: deps
	@$(MAKE) --no-print-directory all
	@scripts/demo

# Builds, too: what can't be built is a failed test.
check: deps
	@scripts/check $(ONLY)

bench:
	@scripts/install-deps --bench
	@$(MAKE) --no-print-directory all benches
	@scripts/bench $(if $(QUICK),--quick) $(addprefix --only ,$(ONLY))

# One kind of `make check ONLY=vm` each.
vm-kernels vm-qemu vm-xen: vm-%: deps
	@$(MAKE) --no-print-directory SHELL=/bin/bash all bpf-tests
	@SHELL=$(vm_shell) tests/vm/run-$* $(KERNELS) $(TEST)

renew-instructions: counts
	@tests/instructions/run --renew

format:
	@tests/style --format

clean:
	rm -rf build

help:
	@sed 's/^/  /' scripts/install/make-help

# Ask for missing packages before the compiler complains about a header.
build/.packages: scripts/install-deps
	@scripts/install-deps --check
	@mkdir -p $(@D) && touch $@

# --- rules -------------------------------------------------------------------

build/bpf/%.bpf.o: bpf/%.bpf.c Makefile | build/.packages
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

build/bpf/jitney.bpf.o: $(BPF_O)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKELETON): build/bpf/jitney.bpf.o Makefile
	$(call say,SKEL,$@)
	$(Q){ printf '%s\n' '// NOLINTBEGIN' '#include <jitney/abi.h>'; \
		$(BPFTOOL) gen skeleton $< name jitney_bpf; echo '// NOLINTEND'; } > $@

$(GUEST_SKELETON): build/bpf/guest.bpf.o Makefile
	$(call say,SKEL,$@)
	$(Q){ echo '// NOLINTBEGIN'; $(BPFTOOL) gen skeleton $< name guest_bpf; echo '// NOLINTEND'; } > $@

# $1: folder of the objects, $2: extra flags
define objects
build/$1/%.o: %.c Makefile | $(SKELETON) $(GUEST_SKELETON)
	$$(call say,CC,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(CC) $$(ALL_CFLAGS) $2 $$(PKG_CFLAGS) $$(EXTRA) -MMD -MP -c $$< -o $$@
endef
$(eval $(call objects,obj))
$(eval $(call objects,asan/obj,$(ASAN)))
$(eval $(call objects,tsan/obj,$(TSAN) -Wno-tsan))
$(eval $(call objects,pic/obj,-fPIC -fno-semantic-interposition))

build/obj/user/cli/%.o: EXTRA = $(WIRETAP_CFLAGS)

# An archive: each program takes of it what it needs.
build/obj/common.a: $(COMMON_C:%.c=build/obj/%.o)
build/asan/obj/common.a: $(COMMON_C:%.c=build/asan/obj/%.o)
build/tsan/obj/common.a: $(COMMON_C:%.c=build/tsan/obj/%.o)
%/common.a:
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^

build/bin/jitneyd: $(JITNEYD_C:%.c=build/obj/%.o) build/obj/common.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(JITNEYD_LIBS)

build/bin/jitney: $(JITNEY_C:%.c=build/obj/%.o) build/obj/common.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(JITNEY_LIBS)

build/bin/jitney-agent: $(AGENT_C:%.c=build/obj/%.o) build/obj/common.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(AGENT_LIBS)

build/bin/jitney-guest: $(GUEST_C:%.c=build/obj/%.o) build/lib/libjitney.a build/obj/common.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(GUEST_LIBS)

# What the map leaves out, nobody sees: neither in the shared library nor in the archive.
build/lib/libjitney.so.0: $(LIBJITNEY_C:%.c=build/pic/obj/%.o) user/guest/libjitney.map
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -shared -Wl,-soname,libjitney.so.0 -Wl,-z,defs \
		-Wl,--version-script=user/guest/libjitney.map -o $@ $(filter %.o,$^)

build/lib/libjitney.a: $(LIBJITNEY_C:%.c=build/pic/obj/%.o)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@
	$(Q)ld -r -o $(@:.a=.o) $^ && objcopy -w -G 'jitney_*' $(@:.a=.o) && ar rcs $@ $(@:.a=.o)

build/asan/jitneyd: $(JITNEYD_C:%.c=build/asan/obj/%.o) build/asan/obj/common.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) $(ASAN) -o $@ $^ $(JITNEYD_LIBS)

# A test is one source file, with those of its folder that are no tests themselves.
# $1: folder of objects, $2: of sources, $3: programs, $4: the tests' names, $5: compiler, $6: flags
define programs
build/obj-$1/%.o: $2/%.c Makefile | $(SKELETON) $(GUEST_SKELETON)
	$$(call say,CC,$$@)
	$$(Q)mkdir -p $$(@D) && $5 $$(ALL_CFLAGS) $6 -Itests $$(PKG_CFLAGS) -MMD -MP -c $$< -o $$@

$3: build/tests/%: build/obj-$1/%.o $(patsubst $2/%.c,build/obj-$1/%.o,$(filter-out $(wildcard $2/$4.c),$(wildcard $2/*.c)))
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D) && $5 $$(LDFLAGS) $6 -o $$@ $$(filter %.o %.a,$$^) $$(TEST_LIBS)
endef
programs_in = $(if $3,$(eval $(call programs,$1,$2,$3,$4,$5,$6)))

$(call programs_in,tools,tests/tools,$(TOOLS),*,$(CC))
$(call programs_in,unit,tests/unit,$(UNIT),test_*,$(CC),$(ASAN))
$(call programs_in,threads,tests/unit,$(THREADS),test_*,$(CC),$(TSAN) -Wno-tsan)
$(call programs_in,bpf-tests,tests/bpf,$(BPF_TESTS),test_*,$(CC))
$(call programs_in,fuzz,tests/fuzz,$(FUZZERS),fuzz_*,$(CLANG),$(FUZZ))
$(call programs_in,bench,tests/bench,$(BENCHES),bench_*,$(CC))
$(call programs_in,counts,tests/instructions,$(COUNTS),count_*,$(CC))

build/tests/jt-sources: TEST_LIBS += -lpcap
build/tests/jt-traffic build/tests/jt-lives: build/lib/libjitney.a

# The controller from the inside.
build/tests/test_slices build/tests/test_enemy build/tests/test_calls build/tests/test_calls_order \
build/tests/test_shares build/tests/test_shares_fill build/tests/test_machine build/tests/test_fence \
build/tests/test_xen: \
	$(filter-out %/main.o,$(JITNEYD_C:%.c=build/asan/obj/%.o)) \
	build/asan/obj/common.a

build/tests/test_shares: TEST_LIBS += -Wl,--wrap=clock_gettime

# Xen, as a test has it.
XEN_CALLS := xengnttab_open xengnttab_close xengnttab_map_domain_grant_refs \
	xengnttab_map_grant_ref xengnttab_unmap xengnttab_grant_copy xenevtchn_open xenevtchn_close \
	xenevtchn_fd xenevtchn_notify xenevtchn_bind_interdomain xenevtchn_unbind xenevtchn_pending \
	xenevtchn_unmask xs_open xs_close xs_read xs_write xs_mkdir xs_directory xs_rm xs_set_permissions \
	xs_transaction_start xs_transaction_end xs_watch xs_unwatch xs_fileno xs_check_watch \
	xs_is_domain_introduced access
build/tests/test_xen: TEST_LIBS += $(XEN_CALLS:%=-Wl,--wrap=%)

build/tests/test_domain build/tests/test_hostile: \
	$(addprefix build/asan/obj/user/controller/,shares.o admit.o share_values.o)

build/tests/test_index: build/asan/obj/user/controller/index.o

build/tests/test_deliver: build/asan/obj/user/controller/deliver.o
build/tests/test_deliver: TEST_LIBS += -Wl,--wrap=sendmsg,--wrap=sendmmsg

build/tests/count_controller: $(filter-out %/main.o,$(JITNEYD_C:%.c=build/obj/%.o)) build/obj/common.a

# The library from the inside.
build/tests/test_slice build/tests/test_template: $(LIBJITNEY_C:%.c=build/asan/obj/%.o)
build/tests/test_threads_calls: $(filter-out %/main.o,$(JITNEYD_C:%.c=build/tsan/obj/%.o)) \
	build/tsan/obj/common.a
build/tests/test_threads_slice: $(LIBJITNEY_C:%.c=build/tsan/obj/%.o)
build/tests/bench_send build/tests/count_guest: $(LIBJITNEY_C:%.c=build/obj/%.o)
build/tests/bench_path: build/lib/libjitney.a
build/tests/bench_calls: build/lib/libjitney.a $(filter-out %/main.o,$(JITNEYD_C:%.c=build/obj/%.o)) \
	build/obj/common.a

# DPDK's flags choose a processor, and include a header everywhere: nobody else's affair.
build/obj-bench/bench_dpdk.o: PKG_CFLAGS = $(DPDK_CFLAGS)
$(DPDK_BENCH): TEST_LIBS += $(DPDK_FOUND)

# For LD_PRELOAD.
$(FAIL): build/tests/%.so: tests/fault/%.c Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -fPIC -shared -o $@ $< -ldl

# The controller from the inside, with a clock around its system call.
build/tests/bench_transmit: $(filter-out %/main.o %/transmit.o,$(JITNEYD_C:%.c=build/obj/%.o)) \
	build/obj/common.a
build/tests/bench_transmit: TEST_LIBS += -Wl,--wrap=sendto

-include $(shell find build -name '*.d' -type f 2>/dev/null)

include scripts/install/install.mk
