// Package bpf holds the compiled BPF object, and the names and structs that it shares with Go.
//
// Its C sources are in src, which has no Go files; the object is committed, so that a build needs no C compiler, and generate.sh rebuilds it with the same
// bytes. It imports cilium/ebpf only.
package bpf
