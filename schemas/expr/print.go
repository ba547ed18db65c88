package expr

import (
	"strconv"
	"strings"
)

// Format writes an expression in the one form that all its spellings have: one space around operators, parentheses only where the tree
// needs them or a reader would doubt. Parsing it gives the same tree again. A Bad part is written as a question mark, which does not
// parse.
func Format(e Expr) string {
	var b strings.Builder
	format(&b, e, precLowest)
	return b.String()
}

// String writes a type as it stands in a cast.
func (t *TypeName) String() string {
	text := t.Name
	if t.Tag != "" {
		text = t.Tag + " " + text
	}
	if t.Stars > 0 {
		text += " " + strings.Repeat("*", t.Stars)
	}
	return text
}

// format writes e, in parentheses where it binds less closely than least.
func format(b *strings.Builder, e Expr, least int) {
	prec := precPostfix
	switch e := e.(type) {
	case *Cond:
		prec = precCond
	case *Binary:
		prec = e.Op.precedence()
	case *Unary, *Cast:
		prec = precUnary
	}
	if prec < least {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	switch e := e.(type) {
	case *Ident:
		b.WriteString(e.Name)
	case *Int:
		b.WriteString(e.spelling())
	case *String:
		b.WriteString(Quote(e.Value))
	case *Unary:
		b.WriteString(e.Op.String())
		if inner, ok := e.X.(*Unary); ok && e.Op == OpAddr && inner.Op == OpAddr {
			b.WriteByte(' ') // && is another operator
		}
		format(b, e.X, precUnary)
	case *Binary:
		formatOperand(b, e.Op, e.X, prec)
		b.WriteString(" " + e.Op.String() + " ")
		formatOperand(b, e.Op, e.Y, prec+1)
	case *Cond:
		format(b, e.If, precLor)
		b.WriteString(" ? ")
		format(b, e.X, precCond)
		b.WriteString(" : ")
		format(b, e.Y, precCond)
	case *Call:
		b.WriteString(e.Fun.Name)
		b.WriteByte('(')
		for i, a := range e.Args {
			if i > 0 {
				b.WriteString(", ")
			}
			format(b, a, precCond)
		}
		b.WriteByte(')')
	case *Member:
		format(b, e.X, precPostfix)
		if e.Arrow {
			b.WriteString("->")
		} else {
			b.WriteByte('.')
		}
		b.WriteString(e.Name.Name)
	case *Index:
		format(b, e.X, precPostfix)
		b.WriteByte('[')
		format(b, e.I, precCond)
		b.WriteByte(']')
	case *Cast:
		b.WriteString("(" + e.Type.String() + ")")
		format(b, e.X, precUnary)
	default:
		b.WriteByte('?')
	}
}

// formatOperand writes an operand of op. A comparison below another one or below a bit operator gets parentheses that C does not need.
func formatOperand(b *strings.Builder, op Op, x Expr, least int) {
	if inner, ok := x.(*Binary); ok && inner.Op.Compare() && (op.Compare() || op == OpAnd || op == OpOr || op == OpXor) {
		least = precUnary
	}
	format(b, x, least)
}

// spelling is the literal as it was written, or, for one that a program made, its value.
func (e *Int) spelling() string {
	if e.Text != "" {
		return e.Text
	}
	switch e.Unit {
	case UnitDuration:
		return strconv.FormatUint(e.Value, 10) + "ns"
	case UnitSize:
		return strconv.FormatUint(e.Value, 10) + "B"
	}
	return strconv.FormatUint(e.Value, 10)
}
