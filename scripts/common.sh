# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every shell script here shares: where the cache is, how to fail, how to
# lock, and how to say where the time went. Sourced, never run.

MMLENS_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
MMLENS_CACHE=${MMLENS_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/mmlens}
export MMLENS_DIR MMLENS_CACHE

# One line: what is wrong, and the command that mends it.
die() {
	printf 'mmlens: %s\n' "$1${2:+; try: $2}" >&2
	exit 1
}

warn() {
	printf 'mmlens: warning: %s\n' "$1" >&2
}

# timed TEXT CMD...: run a step that does real work and say how long it took.
# Its output is shown only if it fails: a build that works has nothing to say.
timed() {
	local text=$1 start=$SECONDS log
	shift
	log=$(mktemp)
	if ! "$@" >"$log" 2>&1; then
		tail -n 60 "$log" >&2
		rm -f "$log"
		die "$text failed after $((SECONDS - start)) s (its last lines are above)"
	fi
	rm -f "$log"
	printf 'mmlens: %-50s %4d s\n' "$text" $((SECONDS - start)) >&2
}

# lock ITEM: wait until nobody else makes this item of the cache. The lock goes
# with the process (and with unlock), however it dies.
lock() {
	mkdir -p "$MMLENS_CACHE/locks" ||
		die "cannot write to the cache $MMLENS_CACHE" "MMLENS_CACHE=/some/folder"
	exec {MMLENS_LOCK}>"$MMLENS_CACHE/locks/$1"
	flock "$MMLENS_LOCK"
}

unlock() {
	exec {MMLENS_LOCK}>&-
}
