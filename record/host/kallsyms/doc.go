// Package kallsyms reads the kernel's lists of its own functions: /proc/kallsyms, ftrace's available_filter_functions and the blacklist of
// kprobes.
//
// It imports the standard library only and reads text, so it is tested on any system.
package kallsyms
