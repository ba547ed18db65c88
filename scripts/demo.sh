#!/bin/sh
# Records a compiler run, many processes and a few hundred thousand system calls, and prints what the capture says of it.
set -eu
cd "$(dirname "$0")/.."

if [ "$(id -u)" -ne 0 ]; then
	echo "demo: recording needs root: sudo make demo" >&2
	exit 1
fi
tape=bin/demo.tape
rm -rf "$tape"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

show() {
	printf '\n$ probetape %s\n' "$*"
	bin/probetape "$@"
}

# The compiler has its modules already (make build); an empty cache makes it compile the packages that it needs.
printf '$ probetape record -o %s -- go build -o /dev/null ./tools/testreport\n' "$tape"
GOCACHE="$work/cache" GOFLAGS=-p=4 bin/probetape record -o "$tape" -- go build -o /dev/null ./tools/testreport

show analyze "$tape"
show analyze counts "$tape" --top 15
show analyze counts "$tape" --by comm,exe --top 10
show analyze latency "$tape" --top 15
printf '\n$ probetape analyze prometheus %s | head -40\n' "$tape"
bin/probetape analyze prometheus "$tape" >"$work/metrics"
head -40 "$work/metrics"
printf '\nThe capture stays in %s; bin/probetape analyze --help says what else can be asked.\n' "$tape"
