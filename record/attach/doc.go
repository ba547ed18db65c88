// Package attach loads a compiled program into the running kernel, attaches its sites, and speaks to it while it runs: targets,
// counters, flushes, calls still under way, cost, detaching. One file for each kind of attachment.
//
// It works on Linux and imports schemas, record/compile, record/ring, bpf and cilium/ebpf.
package attach
