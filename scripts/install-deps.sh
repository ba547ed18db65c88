#!/bin/sh
# Installs what `make demo` or `make test` needs beside Go and make: install-deps.sh demo|test
#
# Idempotent, and quick where everything is there: only packages that are missing are asked for.
set -eu

# The demo's workload is the Go compiler, which is there; fetching modules over HTTPS needs the certificates.
demo="ca-certificates"

# test: what the tests run, and why.
test="ca-certificates
	git
	gcc libc6-dev
	clang-14 llvm-14 libbpf-dev
	strace
	prometheus
	busybox-static
	libaio1 libbpf1 libcapstone4 libfdt1 libfuse3-3 libglib2.0-0 libgnutls30 libibverbs1 libjpeg62-turbo libnuma1
	libpixman-1-0 libpmem1 libpng16-16 librdmacm1 libsasl2-2 libseccomp2 libslirp0 libudev1 liburing2 libvdeplug2"
# git                    version stamps; `git log` is a recorded program
# gcc libc6-dev          compiles the recorded programs in testdata/programs
# clang-14 llvm-14 libbpf-dev   rebuild the committed BPF object and compare
# strace                 counts the same system calls as a witness
# prometheus             scrapes a recording; its promtool checks the metrics
# busybox-static         the shell in the virtual machines
# lib...                 shared libraries of the QEMU that tools/vmtest unpacks

case ${1:-} in
demo) want=$demo ;;
test) want=$test ;;
*)
	echo "usage: install-deps.sh demo|test" >&2
	exit 2
	;;
esac

if ! command -v go >/dev/null; then
	echo "install-deps: go is not in PATH: install Go 1.26 or newer first" >&2
	exit 1
fi

missing=
if command -v dpkg-query >/dev/null; then
	for pkg in $want; do
		case $(dpkg-query -W -f '${Status}' "$pkg" 2>/dev/null || :) in
		"install ok installed") ;;
		*) missing="$missing $pkg" ;;
		esac
	done
	[ -n "$missing" ] || exit 0
fi

id=
version=
if [ -r /etc/os-release ]; then
	id=$(. /etc/os-release && echo "${ID:-}")
	version=$(. /etc/os-release && echo "${VERSION_ID:-}")
fi
if [ "$id" != debian ] || [ "$version" != 12 ]; then
	echo "install-deps: packages are installed on Debian 12 only; this is ${id:-an unknown system} ${version}" >&2
	echo "install-deps: install their equivalents yourself:" ${missing:-$want} >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "install-deps: root is needed to install:$missing" >&2
	exit 1
fi

echo "install-deps: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() {
	if ! "$@" >"$log" 2>&1 </dev/null; then
		cat "$log" >&2
		echo "install-deps: $* ended with an error" >&2
		exit 1
	fi
}
run apt-get -q update
run apt-get -q -y --no-install-recommends install $missing
