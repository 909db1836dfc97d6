# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Completion for jitney and jitneyd: what their --help names.

_jitney() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} help words

	COMPREPLY=()
	help=$("$1" --help 2>/dev/null) || return
	case $previous in
	guest) words="add del" ;;
	--socket | --config | --pin | --adopt | capture)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	--uplink)
		mapfile -t COMPREPLY < <(cd /sys/class/net && compgen -f -- "$current")
		return
		;;
	*) words=$(awk '/^  [a-z]/ { print $1 } { while (match($0, /--[a-z][a-z-]*=?/)) {
			print substr($0, RSTART, RLENGTH); $0 = substr($0, RSTART + RLENGTH) } }' <<<"$help") ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
	[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}

complete -F _jitney jitney jitneyd
