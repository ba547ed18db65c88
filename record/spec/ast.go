package spec

import (
	"probetape/schemas"
	"probetape/schemas/expr"
)

// The limits of a program.
const (
	MaxStatements = 64
	MaxFields     = schemas.MaxFields // of a statement
	MaxProbes     = 64                // written in a statement, alternatives counted; a glob may stand for many more
	MaxName       = 64                // bytes of a table's or field's name, and of a glob
)

// Program is what was parsed: all statements of all sources in their order.
type Program struct {
	Sources    []*expr.Source
	Statements []*Statement
}

// Statement is one probe statement: it records one table.
type Statement struct {
	expr.Span
	Source *expr.Source // the text it is in
	Text   string       // the statement as written

	Name   *expr.Ident // the table's name as given; nil: it is named after its first probe
	Probes []Choice    // at least one; all of them are attached
	Filter expr.Expr   // nil: none
	Fields []*Field

	// Bad says that a part of the statement could not be understood, and was reported. What is there can be checked on its own; what is
	// missing must not be missed.
	Bad bool
}

// Choice is probes of which the first is taken that exists on the host: kprobe:do_filp_open || kprobe:do_file_open. Mostly it is one.
type Choice []*Probe

// Probe is one probe as written, such as uprobe:/bin/bash:readline+0x10.
type Probe struct {
	expr.Span
	Text string // as written

	Kind   schemas.ProbeKind // KindNone: there is no such kind, which was reported
	KindAt Part              // the word, perhaps a short form

	Path   Part   // user probes: the binary or library, perhaps a glob or a bare name (libc)
	Group  Part   // tracepoint: category; kprobe, fentry and kcall kinds: module; usdt: provider; syscall: ABI. Empty: not given
	Name   Part   // tracepoint, function, symbol, system call or USDT probe, perhaps a glob; empty where Address is given
	Offset uint64 // bytes from the symbol: name+0x10

	Address *uint64 // user probes: an address in place of a name: uprobe:/bin/x:0x4010
	Bad     bool    // a part could not be understood, and was reported
}

// Part is a part of a probe.
type Part struct {
	expr.Span
	Text string // without quotes
}

// Given reports whether the part is there.
func (p Part) Given() bool { return p.From.IsValid() }

// Field is one captured value: name = expression, or in short the expression alone, named after its last part.
type Field struct {
	expr.Span
	Name  *expr.Ident // in the short form it is where that last part is; nil only in a Bad statement
	Short bool
	Value expr.Expr
}
