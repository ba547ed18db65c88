// Package ring reads perf buffers: the way from the BPF programs to the recorder.
//
// It works on Linux and imports cilium/ebpf only.
package ring
