#!/bin/sh
# Puts the output of real runs into README.md again.
#
# A block of output in README.md stands behind a comment that holds its command line:
#
#     <!-- $ probetape analyze incident.tape -->
#     ```
#     ...
#     ```
#
# The commands run one after another in an empty folder, as root, with bin/probetape in PATH; prepare() makes what they record.
set -eu
cd "$(dirname "$0")/.."
top=$PWD
if [ "$(id -u)" -ne 0 ]; then
	echo "readme: recording needs root" >&2
	exit 1
fi
work=$(mktemp -d)
trap 'kill "$blocked" 2>/dev/null || :; rm -rf "$work"' EXIT
blocked=

prepare() {
	# Somebody waits for a lock that is never given back, and somebody works.
	(flock "$work/lock" sleep 1000 & exec flock "$work/lock" true) &
	blocked=$!
}
prepare

PATH="$top/bin:$PATH"
cd "$work"
awk '
	/^<!-- \$ .* -->$/ {
		print
		command = substr($0, 8, length($0) - 11)
		getline
		if ($0 !~ /^```/) { print "readme: no block behind: " command >"/dev/stderr"; exit 1 }
		print
		print "$ " command
		run = "{ " command "; } 2>&1"
		while ((run | getline line) > 0) print line
		close(run)
		while ((getline > 0) && $0 != "```") {}
	}
	{ print }
' "$top/README.md" >"$work/README.md"
cp "$work/README.md" "$top/README.md"
