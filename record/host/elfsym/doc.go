// Package elfsym reads what probes need of x86-64 programs and libraries in ELF: function symbols of every table, where an address lies in
// the file, build-ids, the way to separate debug files, and sections.
//
// Files are not trusted: every offset and length is checked against the file, and memory is bounded by its size. debug/elf is not used
// since it copies a section's name for each section, and a symbol's for each symbol, from wherever the file says.
// It imports the standard library and klauspost/compress (compressed sections) only, and runs on any system.
package elfsym
