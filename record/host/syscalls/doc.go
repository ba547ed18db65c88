// Package syscalls knows the system calls of x86-64 kernels by ABI: names, numbers and parameters.
//
// Numbers are part of the kernel's interface and never change, so they are a table that comes with the program: it is known without root,
// tracefs or headers, also for kernels that lack some of them. The tables are written by the command in gen.
// It imports schemas and the standard library only.
package syscalls
