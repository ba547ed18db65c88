package record

import (
	"errors"
	"fmt"

	"probetape/record/attach"
	"probetape/schemas/expr"
)

// refused gives a program that the verifier refused its place in the probe text, where the refused instruction comes from there.
func (p *Prepared) refused(err error) error {
	var v *attach.VerifierError
	if !errors.As(err, &v) || v.Statement < 0 || v.Statement >= len(p.Plan.Statements) {
		return err
	}
	planned := &p.Plan.Statements[v.Statement]
	for _, s := range p.parsed.Statements {
		if s.Text != planned.Text || s.Pos().Line != planned.Line {
			continue
		}
		at := s.Span
		if v.Line > 0 {
			at = expr.Span{From: expr.Pos{Offset: offsetOf(s.Source.Text, v.Line), Line: v.Line, Col: max(v.Col, 1)}}
			at.To = at.From
		}
		what := "this statement"
		if v.What != "" {
			what = v.What
		}
		return &RefusedError{Err: v, Place: expr.Diagnostics{s.Source.Error(at, fmt.Sprintf("the kernel's verifier refused what %s was compiled to", what))}}
	}
	return err
}

// offsetOf returns where a line begins in a text.
func offsetOf(text string, line int) int {
	for i := range len(text) {
		if line <= 1 {
			return i
		}
		if text[i] == '\n' {
			line--
		}
	}
	return len(text)
}
