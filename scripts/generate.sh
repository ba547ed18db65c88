#!/bin/sh
# Rebuilds every generated file that is committed, or proves that rebuilding changes nothing: generate.sh [check]
set -eu
cd "$(dirname "$0")/.."
./bpf/generate.sh "${1:-build}"
