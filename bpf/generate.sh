#!/bin/sh
# Rebuilds bpf/src/wire.h and the object that is committed, or compares with them: generate.sh [check]
#
# The bytes depend on the compiler's version (Debian 12's clang-14) and on nothing of the machine: sources are named relative to this folder.
set -eu
cd "$(dirname "$0")"
CLANG=${CLANG:-clang-14}
STRIP=${STRIP:-llvm-strip-14}

build() { # build HEADER OBJECT
	go run ../schemas/gen "$1"
	(cd src && $CLANG -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Wall -Werror -I/usr/include/x86_64-linux-gnu \
		-fdebug-compilation-dir=. -ffile-prefix-map="$PWD=." -c probetape.bpf.c -o "$2")
	$STRIP -g "$2"
}

case ${1:-build} in
build)
	build src/wire.h "$PWD/probetape.bpf.o"
	;;
check)
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	build "$tmp/wire.h" "$tmp/probetape.bpf.o"
	cmp src/wire.h "$tmp/wire.h"
	cmp probetape.bpf.o "$tmp/probetape.bpf.o"
	;;
*)
	echo "usage: generate.sh [check]" >&2
	exit 2
	;;
esac
