# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0-only
# Guests that know nothing of Jitney, and exchange messages.

tests+=(guests_by_their_lines both_ways switched bulk generic doctor)

attached() { ask a guests ".guests[] | [.name, .interface, .mac, .attach] | join(\" \")" | sort; }

test_guests_by_their_lines() {
	local guest wanted
	wanted=$(for guest in "${guests[@]}"; do echo "$guest $(vif_of "$guest") $(lab_mac "$guest") tcx"; done)
	equal "guests" "$(attached)" "$wanted"
}

# Sides, and the kinds of guests: a1 is PVH, a3 PV. Some messages find the other host silent first.
both_ways() {
	exchange a1 b1 1500 --sizes=0-512
	exchange b1 a1 1500 --sizes=0-200
	exchange a3 b1 500 --size=64 --sendmmsg=16
	exchange b1 a3 500 --sizes=0-512
}

test_both_ways() {
	both_ways
	carried a 1000
	carried b 1000
	equal "messages taken and given" "$(total b received_messages) $(total a received_messages)" \
		"$(total a sent_messages) $(total b sent_messages)"
}

test_switched() {
	local before
	before=$(passed a a1 local)
	exchange a1 a2 1000 --size=100
	between "switched messages" $(($(passed a a1 local) - before)) 950 1200
	exchange a2 a3 300 --sizes=0-512
	exchange a3 a1 300 --sizes=0-512
}

# Netback takes and gives packets of up to 64 KiB, with checksums that are still to be made.
test_bulk() {
	bulk a2 b1 4
	bulk b1 a3 2
	bulk a3 a1 2
}

test_generic() {
	restart a --attach=generic
	wake a1 b1
	equal "attached" "$(ask a guests '[.guests[].attach] | unique | join(" ")')" generic
	both_ways
	carried a 1000
	exchange a2 a3 300
	bulk a2 b1 2
	bulk b1 a3 2
	restart a
	wake a1 b1
}

# On dom0 `jitney doctor` looks at what is Xen's, too.
test_doctor() {
	local said check
	said=$(jitney --json doctor) || fail "it finds something that fails: $said"
	for check in xen xen-device xenstore vif-script vif; do
		equal "verdict on $check" "$(jq -r ".[] | select(.name == \"$check\") | .verdict" <<<"$said" | sort -u)" ok
	done
	equal "its vifs" "$(jq -r '.[] | select(.name == "vif") | .subject' <<<"$said" | sort)" \
		"$(for guest in "${guests[@]}"; do vif_of "$guest"; done | sort)"
	# Where something is missing it says so, and how to mend it.
	jitney guest del a1
	said=$(jitney --json doctor)
	[[ $said == *"jitney guest add NAME=$(vif_of a1)"* ]] || fail "a vif that is no guest's is not found"
	jitney guest add "a1=$(vif_of a1),mac=$(lab_mac a1)"
}
