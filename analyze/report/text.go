package report

import (
	"math"
	"strconv"
)

// AppendTo appends the value as text: a null is nothing, a text that was cut ends with "...".
func (v Value) AppendTo(b []byte) []byte {
	switch v.Kind {
	case Int:
		return strconv.AppendInt(b, v.Int, 10)
	case Uint:
		return strconv.AppendUint(b, uint64(v.Int), 10)
	case Bool:
		return strconv.AppendBool(b, v.Int != 0)
	case Float:
		return strconv.AppendFloat(b, math.Float64frombits(uint64(v.Int)), 'g', -1, 64)
	case Moment:
		return At(v.Int).AppendTo(b)
	case Text, Name:
		b = append(b, v.Text...)
		if v.Cut {
			b = append(b, "..."...)
		}
	}
	return b
}

// Group returns a row's value of one of the keys that its report is grouped by: the table and the site are apart from the others.
func Group(name string, table, site *string, keys []Key) Value {
	text := func(s *string) Value {
		if s == nil {
			return Value{}
		}
		return Value{Kind: Text, Text: *s}
	}
	switch name {
	case "table":
		return text(table)
	case "site":
		return text(site)
	}
	for _, k := range keys {
		if k.Name == name {
			return k.Value
		}
	}
	return Value{}
}
