# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0-only
# A guest that goes without a word takes nobody with it, leaves nothing behind, and may come again.

tests+=(destroyed)

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
	before=$(ledger)
	receive lives b1 --port=7001 --flows=1
	receive dies b1 --port=7002 --flows=1 --timeout=60
	transmit lives-sent a2 --dest="$(lab_ipv4 b1):7001" --count=2000 --window=64
	transmit dies-sent a1 --dest="$(lab_ipv4 b1):7002" --count=100000000 --blind
	transmit to-dying b1 --dest="$(lab_ipv4 a1):7003" --count=100000000 --blind
	until_true 20 has_passed $(($(total a sent_messages) + 300)) || fail "too few messages"
	xl destroy a1
	finish lives-sent a2
	finish lives b1
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
