// Package usdt reads the statically defined probes (USDT) of programs and libraries: the notes that sys/sdt.h leaves in the section
// .note.stapsdt.
//
// It imports the standard library and record/host/elfsym only, and runs on any system. Files are not trusted.
package usdt
