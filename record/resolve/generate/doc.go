// Package generate makes up probe programs for a host: text that mostly checks, with every operator, type and form of the language, from what the
// host has. Tests compile them, and load them into kernels, to hold that what the checker accepts works.
//
// It imports record/resolve, schemas and cilium/ebpf/btf. Only tests use it.
package generate
