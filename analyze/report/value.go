package report

import (
	"cmp"
	"strings"
)

// ValueKind says what a Value holds.
type ValueKind uint8

// The kinds of values.
const (
	Null   ValueKind = iota // could not be read, does not apply, or not grouped by it
	Int                     // Value.Int
	Uint                    // Value.Int by its bits
	Bool                    // Value.Int, 0 or 1
	Text                    // Value.Text; bytes that are not UTF-8 are written \xNN
	Float                   // not used as a key
	Moment                  // Value.Int: ns since 1970 UTC
	Name                    // Value.Text: what stands for a number, such as an enum's name, an error's, a symbol's, an address in hex
)

// Value is a key of a row, or a field of an event.
type Value struct {
	Kind ValueKind
	Cut  bool // a text that was longer than what was kept
	Int  int64
	Text string
}

// Compare orders values for output: nulls first, then numbers, then texts.
func (v Value) Compare(o Value) int {
	if v.Kind != o.Kind {
		return cmp.Compare(v.Kind, o.Kind)
	}
	switch v.Kind {
	case Uint:
		return cmp.Compare(uint64(v.Int), uint64(o.Int))
	case Text, Name:
		if c := strings.Compare(v.Text, o.Text); c != 0 {
			return c
		}
	case Null:
		return 0
	default:
		return cmp.Compare(v.Int, o.Int)
	}
	switch {
	case v.Cut == o.Cut:
		return 0
	case o.Cut:
		return -1
	}
	return 1
}
