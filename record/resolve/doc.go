// Package resolve checks a probe program against a host and turns it into a Plan: every name looked up, every expression typed, every
// site known.
//
// It asks the host through the interface Host only, and that speaks in plain data, so that the checker runs on any operating system
// against a recorded host. It imports schemas, schemas/expr, record/spec and, of others, cilium/ebpf/btf.
package resolve
