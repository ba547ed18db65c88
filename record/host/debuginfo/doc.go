// Package debuginfo reads from a program's debug information (DWARF 2 to 5) what probes on its functions need: parameters, result and
// their types, and whether a function was inlined everywhere. Types are given as BTF's, so that user and kernel structs are walked alike.
//
// Only what is asked for is decoded. Files are not trusted: sections are bounded, the number of types is, and no chain of types is followed by recursion without end.
// It imports record/host/elfsym, cilium/ebpf/btf and the standard library, and runs on any system.
package debuginfo
