// Package host is the Linux host that probes are checked against: its tracepoints, system calls, kernel functions and types, and the
// symbols, USDT probes and debug information of its programs.
//
// Everything is read when it is first asked for, so that a probe text pays for what it names and nothing else. The readers of the
// single formats are packages below this one, without Linux in them, so that they are tested on any system; this package finds the
// files, keeps what was read and answers through resolve.Host. It loads no BPF program: what a host allows is tried out by
// record/attach. It imports record/resolve, its own packages, cilium/ebpf/btf, demangle and x/sys.
package host
