# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Debian's kernels and Xen, and small machines around them, all under build/vm. A script
# sources this in the top of the tree. A KERNEL is 6.1, 6.12 or newest (cloud kernels), or
# full, the one that can be Xen's dom0, or xen, which boots in front of it.
#
#   kernel_fetch KERNEL            leaves it unpacked in $vm/KERNEL/tree, what boots in
#                                  $vm/KERNEL/vmlinuz; one that is a week old is looked for
#                                  anew. Return: 1 if there is none
#   kernel_elf KERNEL FILE         what is compressed in there, which costs emulation much time
#   root_begin KERNEL [MODULE...]  a new root in $root with the kernel's modules, which
#                                  are loaded in this order when it starts
#   root_packages PACKAGE...       the programs of packages that this machine has
#   root_jq                        gojq in its place, which starts ten times as fast
#   root_tree KERNEL FOLDER...     folders of its tree, as they are there
#   root_add FOLDER FILE...        files, and the libraries that they are linked to
#   root_pack IMAGE                an initramfs; its /init runs /etc/job
#   machine KERNEL IMAGE ARG...    run it, with more arguments for QEMU

vm=$PWD/build/vm
mirror=${DEBIAN_MIRROR:-http://deb.debian.org}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
accel=(-accel "${VM_ACCEL:-tcg,thread=multi}") # kvm where it works; emulation does everywhere
# A nanosecond an instruction, and none to wait for while the machine is idle: no test is held up by what else
# runs here. One processor: 6.1 does not start a second one in such a time.
own_time=(-accel "tcg,thread=single" -icount "shift=0,sleep=off" -smp 1)
# shellcheck disable=SC2034 # for who sources this
[[ ! ${VM_ACCEL-} ]] || own_time=("${accel[@]}" -smp 2)
under=() # a command that QEMU runs under
append= # to the kernel's command line
# shellcheck disable=SC2034 # for who sources this
kernels=(6.1 6.12 newest)
declare -A archive=(
	[6.1]="debian bookworm|debian-security bookworm-security"
	[6.12]="debian bookworm-backports"
	[newest]="debian sid"
	[full]="debian bookworm-backports"
	[xen]="debian bookworm|debian-security bookworm-security"
)
# Packages, where it is not linux-image-cloud-amd64; and those that they need, by name.
declare -A wanted=(
	[full]="linux-image-amd64"
	[xen]="xen-hypervisor-4.17-amd64 xen-utils-4.17 xenstore-utils"
)
needed='^(linux-(image|base|binary|modules)-[0-9]|(lib)?xen|libyajl)'

# Package lists of its own: what this machine's apt knows stays as it is.
kernel_apt() {
	local state=$vm/$1/apt program=$2
	shift 2
	"$program" -qq -o Dir::State="$state" -o Dir::State::lists="$state/lists" \
		-o Dir::State::status="$state/status" -o Dir::Cache="$state/cache" \
		-o Dir::Etc::sourcelist="$state/sources" -o Dir::Etc::sourceparts=- \
		-o Acquire::Languages=none -o APT::Sandbox::User=root -o APT::Architecture=amd64 "$@"
}

# An image is one package, or four in newer releases.
kernel_packages() {
	# shellcheck disable=SC2086 # a package a word
	kernel_apt "$1" apt-cache depends --recurse --important ${wanted[$1]-linux-image-cloud-amd64} | grep -E "$needed"
}

kernel_download() {
	local kernel=$1 state=$vm/$1/apt packages
	rm -rf "$state" "$vm/$kernel/new"
	mkdir -p "$state"/{lists,cache/archives}/partial "$vm/$kernel/new"
	touch "$state/status"
	tr '|' '\n' <<<"${archive[$kernel]}" | sed "s,.*,deb [signed-by=$keyring] $mirror/& main," >"$state/sources"
	kernel_apt "$kernel" apt-get update || return
	mapfile -t packages < <(kernel_packages "$kernel")
	((${#packages[@]})) || return
	(cd "$vm/$kernel/new" && kernel_apt "$kernel" apt-get download "${packages[@]}") || return
	rm -rf "$state"
}

kernel_unpack() {
	local package tree=$vm/$1/tree
	rm -rf "$tree"
	for package in "$vm/$1"/new/*.deb; do dpkg-deb -x "$package" "$tree" || return; done
	# Where the files of /usr/lib are in /lib, look there.
	[[ -e $tree/lib/modules ]] || ln -s usr/lib "$tree/lib"
	rm -rf "$vm/$1/new"
	if [[ $1 == xen ]]; then
		zcat "$tree"/boot/xen-*.gz >"$vm/$1/vmlinuz"
	else
		busybox depmod -b "$tree" "$(basename "$tree"/lib/modules/*)" || return
		cp "$tree"/boot/vmlinuz-* "$vm/$1/vmlinuz" 2>/dev/null || cp "$tree"/lib/modules/*/vmlinuz "$vm/$1/vmlinuz"
	fi
}

# Two may want the same one.
kernel_fetch() {
	mkdir -p "$vm/$1"
	(
		flock 9
		[[ $(find "$vm/$1/vmlinuz" -mtime -7 2>/dev/null) ]] && return
		if kernel_download "$1" >"$vm/$1/fetch.log" 2>&1; then kernel_unpack "$1" && return; fi
		[[ -e $vm/$1/vmlinuz ]]
	) 9>"$vm/$1/lock"
}

# A number in an image's header: see Documentation/arch/x86/boot.rst of Linux.
header() { od -An -j "$2" -N "$3" -t "u$3" "$vm/$1/vmlinuz" | tr -d ' '; }

# Behind the setup's sectors, and followed by its length.
kernel_elf() {
	local start length
	start=$((($(header "$1" 0x1f1 1) + 1) * 512 + $(header "$1" 0x248 4)))
	length=$(($(header "$1" 0x24c 4) - 4))
	dd if="$vm/$1/vmlinuz" iflag=skip_bytes,count_bytes skip="$start" count="$length" status=none | zstd -qdc >"$2"
}

# The libraries that files are linked to.
root_libraries() {
	local lib
	{ ldd "$@" 2>/dev/null || true; } | awk '/^\t/ { for (i = 1; i <= NF; i++) if ($i ~ /^\//) print $i }' |
		sort -u | while read -r lib; do
			[[ -e $root/$lib || $lib == "$vm"/* ]] || install -D "$lib" "$root/$lib"
		done
}

root_add() {
	install -D -t "$root/$1" "${@:2}"
	root_libraries "${@:2}"
}

# Of two places of a name the first, and none where it is here already.
root_packages() {
	local files
	mapfile -t files < <(dpkg -L "$@" | grep -E '^(/usr)?/s?bin/' | awk -F/ -v to="$root/usr/bin/" \
		'!seen[$NF]++ && system("test -e " to $NF)')
	root_add usr/bin "${files[@]}"
}

root_jq() {
	root_packages gojq
	ln -s gojq "$root/usr/bin/jq"
}

root_tree() {
	local tree=$vm/$1/tree files
	tar -C "$tree" -c "${@:2}" | tar -C "$root" -x --keep-directory-symlink
	mapfile -t files < <(cd "$tree" && find "${@:2}" -type f -perm /111)
	LD_LIBRARY_PATH=$tree/usr/lib/x86_64-linux-gnu root_libraries "${files[@]/#/$tree/}"
}

# The modules wanted and those that they need; modules.dep names both.
root_modules() {
	local tree=$vm/$1/tree version file
	shift
	version=$(basename "$tree"/lib/modules/*)
	mkdir -p "$root/lib/modules/$version"
	awk -F: -v want="$*" 'BEGIN { n = split(want, name, " ") }
		{ for (i = 1; i <= n; i++) if ($1 ~ "/" name[i] "[.]ko") print $1, $2 }' \
		"$tree/lib/modules/$version/modules.dep" | tr ' ' '\n' | sed '/^$/d' | sort -u | while read -r file; do
		install -D -m 644 "$tree/lib/modules/$version/$file" "$root/lib/modules/$version/$file"
	done
	find "$root/lib/modules" -name '*.xz' -exec unxz {} +
	cp "$tree/lib/modules/$version"/modules.{builtin,order} "$root/lib/modules/$version"
	busybox depmod -b "$root" "$version"
}

root_begin() {
	local kernel=$1 link
	shift
	root=$(mktemp -d "$vm/root.XXXXXX")
	chmod 755 "$root"
	mkdir -p "$root"/{usr/{bin,lib,lib64},proc,sys,dev,tmp,run,etc,jt}
	for link in bin lib lib64; do ln -s "usr/$link" "$root/$link"; done
	ln -s usr/bin "$root/sbin"
	ln -s bin "$root/usr/sbin"
	install tests/vm/init "$root/init"
	root_add usr/bin "$(command -v busybox)"
	root_modules "$kernel" "$@"
	printf '%s\n' "$@" >"$root/etc/modules"
}

root_pack() {
	(cd "$root" && find . | cpio -o -H newc --quiet) >"$1"
	rm -rf "$root"
}

# QEMU 7.2 emulates cmpxchg16b so that kernels oops now and then; "rep stosb", which is what
# ERMS and FSRM recommend, a byte at a time (without them test_same_bytes takes 25 s, not 88);
# and AVX at more cost than what glibc does without it.
machine() {
	local kernel=$1 image=$2
	shift 2
	"${under[@]}" qemu-system-x86_64 "${accel[@]}" -cpu max,-cx16,-erms,-fsrm,-avx,-avx2 -nographic -no-reboot \
		-kernel "$vm/$kernel/vmlinuz" -initrd "$image" \
		-append "console=ttyS0 rdinit=/init panic=-1 mitigations=off norandmaps quiet $append" "$@"
}
