package resolve

import (
	"probetape/record/spec"
	"probetape/schemas/expr"
)

// Options are what a check depends on besides the program and the host.
type Options struct {
	MaxSites int // the most sites that a program may attach to; 0: DefaultMaxSites
}

// DefaultMaxSites keeps a careless glob (kprobe:*) from slowing the whole host down.
const DefaultMaxSites = 8192

// Check checks a parsed program against a host and makes the plan of it.
//
// Diagnostics hold every error of the program, at most expr.MaxDiagnostics of them, and notes; the plan is nil where one of them is an error
// (Diagnostics.Err). What the parser found wrong already is not reported again. An error of the host itself (a file that cannot be read)
// is a diagnostic where a probe needs what was in it.
func Check(prog *spec.Program, host Host, opts Options) (*Plan, expr.Diagnostics) {
	return nil, nil
}
