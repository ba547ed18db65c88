// Package compile turns a checked plan into BPF programs: the skeletons of package bpf with the plan's filters and captures written
// into them as instructions.
//
// It is pure and deterministic, runs on every operating system, and asks the host nothing: what the kernel can do comes in as
// Features. It imports schemas, record/resolve, bpf and cilium/ebpf.
package compile
