// Package resolve checks a probe program against a host and turns it into a Plan: every name looked up, every expression typed, every
// site known.
//
// It asks the host through the interface Host only, and that speaks in plain data, so that the checker runs on any operating system
// against a recorded host. It imports schemas, schemas/expr, record/spec and, of others, cilium/ebpf/btf.
//
// # What names mean
//
//   - args.NAME is an argument: a field of a tracepoint's record, a parameter of a system call, of a kernel function (BTF) or of a user
//     function (DWARF). arg0, arg1, ... are the same by number. They have the declared type where it is known and all sites of the
//     statement agree on it (up to a handful of different ones), else they are signed 64-bit numbers: the register as it is.
//   - retval is the return value, with its declared type. Among the functions of a glob, those that return nothing have 0.
//   - duration, retval and what is made of them are known at a call's return. A filter is split at its &&: the parts that need them are
//     looked at then, all others at the entry. Fields likewise: what needs neither is read at the entry.
//   - A bare name that is no built-in is a constant of the enum it is compared with, or of any enum of the kernel.
//
// # Types
//
// Arithmetic is C's, with its promotions and usual conversions, but what is computed from literals alone is as wide as it must be.
// Comparisons are by value: where C would turn a negative number into a huge unsigned one, here it is less than every unsigned one. A
// comparison that the types alone decide (an unsigned number below 0) is an error.
//
// Pointers follow C's rules too. Structs and arrays stay in memory until a member or an element is named; an array of char is a text,
// any other array is bytes. Addresses in system calls and user programs are read as the user's memory, those from tracepoint records and
// kernel functions as the kernel's or the user's, by the address, unless their type says which.
//
// # Fields without being asked
//
// A statement without fields has none, but one of calls has retval, where the types of some of its functions say that they return
// something. The columns that every row has (schemas.Batch) cannot be the name of a field.
//
// # One statement, several groups
//
// Where a statement's sites differ in what their expressions compile to (a tracepoint's field at another offset, a parameter of another
// type) it becomes several statements of the plan with one table: sites with equal expressions share programs. Fields have one type for
// all, the narrowest that holds every site's values.
package resolve
