# SPDX-License-Identifier: GPL-2.0-only
# `make install` and `make uninstall`: one list of files, two ways through it.
.PHONY: man

MAN := $(patsubst docs/man/%.scd,build/man/%,$(wildcard docs/man/*.scd))
LUA := $(wildcard scripts/wireshark/*.lua)

man: $(MAN)

build/man/%: docs/man/%.scd
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)scdoc < $< > $@

build/install/%: scripts/install/%.in Makefile FORCE
	$(Q)mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' \
		-e 's|@VERSION@|$(VERSION)|g' $< > $@

.PHONY: FORCE
FORCE:

# file:mode:where, "where" a folder (ends in /) or a name
INSTALLED = \
	$(patsubst %,%:755:$(PREFIX)/sbin/,$(filter %jitneyd %jitney-agent,$(PROGRAMS))) \
	$(patsubst %,%:755:$(PREFIX)/bin/,$(filter %jitney %jitney-guest,$(PROGRAMS))) \
	$(patsubst %,%:644:$(PREFIX)/lib/,$(LIBRARIES)) \
	build/bpf/jitney.bpf.o:644:$(PREFIX)/lib/jitney/ \
	$(patsubst %,%:644:$(PREFIX)/include/jitney/,$(wildcard headers/jitney/*.h)) \
	build/install/jitney.pc:644:$(PREFIX)/lib/pkgconfig/ \
	build/install/libjitney.pc:644:$(PREFIX)/lib/pkgconfig/ \
	build/install/jitneyd.service:644:$(PREFIX)/lib/systemd/system/ \
	build/install/jitney-agent.service:644:$(PREFIX)/lib/systemd/system/ \
	scripts/install/jitneyd.conf.example:644:$(SYSCONFDIR)/jitney/ \
	scripts/xen/vif-jitney:755:$(SYSCONFDIR)/xen/scripts/ \
	scripts/completion/jitney:644:$(PREFIX)/share/bash-completion/completions/jitney \
	scripts/completion/jitney:644:$(PREFIX)/share/bash-completion/completions/jitneyd \
	scripts/completion/jitney:644:$(PREFIX)/share/bash-completion/completions/jitney-guest \
	scripts/completion/jitney:644:$(PREFIX)/share/bash-completion/completions/jitney-agent \
	$(foreach m,$(MAN),$m:644:$(PREFIX)/share/man/man$(subst .,,$(suffix $m))/) \
	$(patsubst %,%:644:$(PREFIX)/share/jitney/,$(LUA))

# What `-ljitney' finds.
LINK = $(DESTDIR)$(PREFIX)/lib/libjitney.so

part = $(word $2,$(subst :, ,$1))
place = $(DESTDIR)$(call part,$1,3)$(if $(filter %/,$(call part,$1,3)),$(notdir $(call part,$1,1)))

install: all $(MAN) build/install/jitney.pc build/install/libjitney.pc build/install/jitneyd.service \
		build/install/jitney-agent.service
	@$(foreach f,$(INSTALLED),install -D -m $(call part,$f,2) $(call part,$f,1) $(call place,$f) &&) true
	@ln -sf libjitney.so.0 $(LINK)
	@echo "installed $(words $(INSTALLED)) files below $(DESTDIR)$(PREFIX)"

uninstall:
	@rm -f $(foreach f,$(INSTALLED),$(call place,$f)) $(LINK)
	@rmdir --ignore-fail-on-non-empty $(DESTDIR)$(PREFIX)/{lib,include,share}/jitney \
		$(DESTDIR)$(SYSCONFDIR)/jitney 2>/dev/null || true
