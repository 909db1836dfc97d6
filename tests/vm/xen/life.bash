# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0-only
# A guest that goes without a word takes nobody with it, leaves nothing behind, and may come again.

tests+=(destroyed paused saved)

# The pages that dom0 has mapped of others, as Xen's console tells them.
grants() {
	xl dmesg -c >/dev/null
	xl debug-keys g
	xl dmesg | grep -cE '^\(XEN\) +\[0x' || true
}

# What may be left behind.
ledger() {
	cat <<-END
		grants in use: $(grants)
		event channels of dom0: $(lsevtchn 0 | wc -l)
		keys of backends: $(xenstore-ls /local/domain/0/backend | wc -l)
		interfaces: $(grep -c vif /proc/net/dev)
		files of jitneyd: $(find "/proc/${pid[a]}/fd" | wc -l)
		processes of xl: $(pgrep -c xl)
		guests: $(ask a guests '[.guests[].name] | sort | join(" ")')
	END
}

is_as() { [[ $(ledger) == "$1" ]]; }

test_destroyed() {
	local before without number
	number=$(domain a1)
	without_agent a1 # as it will be in its next life
	before=$(ledger)
	receive lives b1 --port=7001 --flows=1
	receive dies b1 --port=7002 --flows=1 --timeout=60
	transmit lives-sent a2 --dest="$(lab_ipv4 b1):7001" --count=2000 --window=64
	transmit dies-sent a1 --dest="$(lab_ipv4 b1):7002" --count=100000000 --blind --rate=3000
	transmit to-dying b1 --dest="$(lab_ipv4 a1):7003" --count=100000000 --blind --rate=3000
	until_true 20 has_passed $(($(total a sent_messages) + 300)) || fail "too few messages"
	xl destroy a1
	finish lives-sent a2
	finish lives b1 || true # intact says better what is wrong
	intact lives
	on b1 "kill \${pid[dies]} \${pid[to-dying]}"
	equal "guests" "$(ask a guests '[.guests[].name] | sort | join(" ")')" "a2 a3"
	without=$(ledger)
	[[ $without != "$before" ]] || fail "a domain that is gone makes no difference: $before"
	xenstore-write /jitney/a1 rate=50mbit
	begin_machine a1
	configured a1
	equal "a rate from the store" "$(ask a guests '.guests[] | select(.name == "a1") | .share.rate > 0')" true
	((number != $(domain a1))) || fail "it is the same domain"
	wake a1 b1
	exchange a1 b1 1000
	exchange b1 a1 1000
	until_true 10 is_as "$before" || fail "before: $before"$'\n'"now: $(ledger)"
	echo "# before and after a life:" "$(tr '\n' ';' <<<"$before")"
}

# A domain that is paused, and with it its agent, takes nothing, and takes nothing from others.
test_paused() {
	with_agent a1
	receive held b1 --port=7002 --flows=1 --timeout=300
	transmit held-sent a1 --dest="$(lab_ipv4 b1):7002" --count=100000000 --blind --rate=2000 --call=slice
	transmit to-held b1 --dest="$(lab_ipv4 a1):7003" --count=100000000 --blind --rate=2000
	until_true 20 has_passed $(($(total a sent_messages) + 300)) || fail "too few messages"
	xl pause a1
	exchange b1 a3 500
	exchange a3 b1 500
	xl unpause a1
	on b1 "kill \${pid[held]} \${pid[to-held]}"
	on a1 "kill \${pid[held-sent]}"
	until_true 20 has_agent a1 || fail "the agent is gone"
	exchange a1 b1 500 --call=slice
	exchange b1 a1 500
}

# save GUEST - it goes as one that migrates does: suspended, its memory written elsewhere, its number gone.
save() {
	xl save "$1" "/tmp/$1.saved" >"$work/save" 2>&1 || fail "xl save: $(tail -n 3 "$work/save")"
	equal "guests" "$(ask a guests '[.guests[].name] | sort | join(" ")')" "a2 a3"
}

test_saved() {
	local before
	without_agent a1
	before=$(ledger)
	transmit to-saved b1 --dest="$(lab_ipv4 a1):7003" --count=100000000 --blind --rate=1000
	save a1
	exchange b1 a3 500
	xl restore /tmp/a1.saved >"$work/restore" 2>&1 || fail "xl restore: $(tail -n 3 "$work/restore")"
	rm /tmp/a1.saved
	on b1 "kill \${pid[to-saved]}"
	reach a1
	wake a1 b1
	exchange a1 b1 500
	exchange b1 a1 500
	until_true 10 is_as "$before" || fail "before: $before"$'\n'"now: $(ledger)"
	# With an agent; that its kernel would not outlive the way back is in docs/xen.md.
	with_agent a1
	exchange a1 b1 500 --call=slice
	save a1
	rm /tmp/a1.saved
	begin_machine a1
	configured a1
	until_true 10 is_as "$before" || fail "before: $before"$'\n'"now: $(ledger)"
}
