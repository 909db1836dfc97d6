# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154 # what run-qemu, which loads this, sets
#
# libvirt as the README sets it up. What this machine lacks of it is unpacked under build/vm, and laid
# over the machine's root for libvirt alone: nothing is installed.
#
#   libvirt_fetch             Return: 1 if it can't be had
#   libvirt_begin             its daemon on host a, with our hook
#   virsh ARG...
#   domain GUEST INTERFACE    the XML of a machine as the others are, with this interface
#   test_libvirt              of run-qemu

libvirt=$vm/libvirt

libvirt_apt() {
	apt-get -qq -o Dir::State::lists="$libvirt/apt/lists" -o Dir::Cache="$libvirt/apt/cache" \
		-o Acquire::Languages=none -o APT::Sandbox::User=root -o Debug::NoLocking=1 "$@"
}

libvirt_download() {
	local package
	rm -rf "$libvirt"
	mkdir -p "$libvirt"/{tree,apt/{lists,cache/archives}/partial}
	libvirt_apt update && libvirt_apt install --download-only --yes --no-install-recommends \
		libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients || return
	for package in "$libvirt"/apt/cache/archives/*.deb; do dpkg-deb -x "$package" "$libvirt/tree" || return; done
	rm -rf "$libvirt/apt"
	touch "$libvirt/unpacked"
}

libvirt_fetch() {
	[[ $(find "$libvirt/unpacked" -mtime -7 2>/dev/null) ]] || libvirt_download >"$vm/libvirt.log" 2>&1 ||
		[[ -e $libvirt/unpacked ]]
}

libvirt_configure() {
	install -D -m 755 scripts/libvirt-hook "$1/etc/libvirt/hooks/qemu.d/jitney"
	printf '#!/bin/sh\nexec %s --socket %s "$@"\n' "$bin/jitney" "$work/a.sock" |
		install -D -m 755 /dev/stdin "$1/usr/local/bin/jitney"
	echo 'auth_unix_rw = "none"' >"$1/etc/libvirt/libvirtd.conf"
	printf '%s\n' 'security_driver = "none"' 'cgroup_controllers = []' 'namespaces = []' 'remember_owner = 0' \
		'stdio_handler = "file"' >"$1/etc/libvirt/qemu.conf"
	grep -q '^libvirt-qemu:' "$1/etc/passwd" || {
		echo "libvirt-qemu:x:64055:64055::/:/bin/false" >>"$1/etc/passwd"
		echo "libvirt-qemu:x:64055:" >>"$1/etc/group"
	}
}

# Runs in a mount namespace of its own, and stays there for who enters it.
libvirt_root() {
	local at=$1
	mount -t tmpfs tmpfs "$at" && mkdir "$at"/{up,work,root} &&
		mount -t overlay overlay -o "lowerdir=/,upperdir=$at/up,workdir=$at/work" "$at/root" &&
		tar -C "$libvirt/tree" -c . | tar -C "$at/root" -x --keep-directory-symlink && libvirt_configure "$at/root" &&
		mount --rbind /dev "$at/root/dev" && mount --bind /proc "$at/root/proc" && mount --rbind /sys "$at/root/sys" &&
		mount -t tmpfs tmpfs "$at/root/run" && mount --bind "$work" "$at/root$work" &&
		cd "$at/root" && mkdir -p old && pivot_root . old && umount -l old && cd /
}

serve_libvirt() {
	libvirt_root "$work/root" && exec libvirtd
}

in_libvirt() {
	nsenter --mount="/proc/${pid[libvirt]}/ns/mnt" --root="/proc/${pid[libvirt]}/root" --wd=/ \
		--net="/run/netns/$prefix-a" -- "$@"
}

virsh() {
	in_libvirt virsh --quiet --connect qemu:///system "$@"
}

libvirt_begin() {
	mkdir "$work/root"
	export -f serve_libvirt libvirt_root libvirt_configure
	export libvirt bin work
	start libvirt a unshare --mount bash -c serve_libvirt
	until_true 20 virsh version || fail "libvirtd does not answer: $(<"$work/libvirt.err")"
}

domain() {
	local without
	# As in image.bash.
	without=$(printf "<feature policy='disable' name='%s'/>" cx16 erms fsrm avx avx2)
	cat <<-END
		<domain type='qemu'>
		  <name>$1</name>
		  <maxMemory slots='1' unit='GiB'>4</maxMemory>
		  <memory unit='MiB'>320</memory>
		  <os>
		    <type arch='x86_64' machine='pc'>hvm</type>
		    <kernel>$work/guest/vmlinuz</kernel>
		    <initrd>$work/guest.img</initrd>
		    <cmdline>console=ttyS0 rdinit=/init panic=-1 mitigations=off norandmaps quiet</cmdline>
		  </os>
		  <features><acpi/></features>
		  <cpu mode='maximum'>$without<numa><cell id='0' cpus='0' memory='320' unit='MiB'/></numa></cpu>
		  <devices>
		    $2
		    <serial type='file'><source path='$work/$1.console'/></serial>
		    <serial type='pipe'><source path='$work/$1'/></serial>
		  </devices>
		</domain>
	END
}

# begin_domain GUEST INTERFACE: a machine of libvirt's
begin_domain() {
	domain "$1" "$2" >"$work/domain.xml"
	virsh define "$work/domain.xml"
	virsh start "$1"
}

guest_names() { ask a guests '[.guests[].name] | join(" ")'; }

by_its_memory() {
	agent_begin "$1"
	exchange "$1" b1 2000 --window=64 --warm=20 --call=slice --rx=slice
	between "messages of $1 by its memory" "$(report "sent-$1" .helper.sent)" 1500 2100
}

# As the README says: with the hook, and a name for the tap that libvirt makes up; and with a tap of our own.
test_libvirt() {
	local guest guests before jitney=(place a "$bin/jitney" --socket "$work/a.sock")
	[[ -e $libvirt/unpacked ]] || return 0
	libvirt_begin
	port_add a3
	tap_add a4
	"${jitney[@]}" guest add "a4=vif-a4,mac=$(lab_mac a4),user=64055,memory=/dev/shm/a4" >/dev/null
	guests=$(guest_names)
	begin_domain a3 "<interface type='bridge'><source bridge='br0'/><mac address='$(lab_mac a3)'/><model type='virtio'/></interface>"
	begin_domain a4 "$("${jitney[@]}" guest add --print-libvirt a4)"
	equal "guests while they run" "$(guest_names)" "$guests vnet0"
	for guest in a3 a4; do
		configured "$guest"
		before=$(total a sent_messages)
		exchange "$guest" b1 2000 --size=64
		between "messages of $guest through the page" $(($(total a sent_messages) - before)) 1500 10000000
		[[ $guest == a3 ]] || by_its_memory "$guest"
		virsh destroy "$guest"
	done
	equal "guests behind them" "$(guest_names)" "$guests"
	"${jitney[@]}" guest del a4 >/dev/null
	stop libvirt
}
