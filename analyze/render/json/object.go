package json

import (
	"math"
	"strconv"
	"unicode/utf8"

	"probetape/analyze/report"
)

// object writes one JSON object into b, key by key, without allocating.
type object struct {
	b    []byte
	some bool
}

func (o *object) open()  { o.b, o.some = append(o.b, '{'), false }
func (o *object) close() { o.b = append(o.b, '}') }

func (o *object) key(name string) {
	if o.some {
		o.b = append(o.b, ',')
	}
	o.some = true
	o.b = appendText(o.b, name)
	o.b = append(o.b, ':')
}

func (o *object) text(name, v string) {
	o.key(name)
	o.b = appendText(o.b, v)
}

func (o *object) textOrNull(name, v string) {
	if v == "" {
		o.null(name)
		return
	}
	o.text(name, v)
}

func (o *object) null(name string) {
	o.key(name)
	o.b = append(o.b, "null"...)
}

func (o *object) int(name string, v int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, v, 10)
}

func (o *object) uint(name string, v uint64) {
	o.key(name)
	o.b = strconv.AppendUint(o.b, v, 10)
}

func (o *object) bool(name string, v bool) {
	o.key(name)
	o.b = strconv.AppendBool(o.b, v)
}

func (o *object) float(name string, v float64) {
	o.key(name)
	o.b = appendFloat(o.b, v)
}

// maybe writes a number, or null where there is none.
func (o *object) maybe(name string, v *int64) {
	if v == nil {
		o.null(name)
		return
	}
	o.int(name, *v)
}

func (o *object) time(name string, t report.Time) {
	if !t.Known {
		o.null(name)
		return
	}
	o.key(name)
	o.b = append(o.b, '"')
	o.b = t.AppendTo(o.b)
	o.b = append(o.b, '"')
}

func (o *object) value(name string, v report.Value) {
	o.key(name)
	switch v.Kind {
	case report.Null:
		o.b = append(o.b, "null"...)
	case report.Text, report.Name:
		o.b = appendText(o.b, v.Text)
	case report.Float:
		o.b = appendFloat(o.b, math.Float64frombits(uint64(v.Int)))
	case report.Moment:
		o.b = append(o.b, '"')
		o.b = v.AppendTo(o.b)
		o.b = append(o.b, '"')
	default:
		o.b = v.AppendTo(o.b)
	}
}

// appendFloat appends a number; JSON has none that is infinite or no number.
func appendFloat(b []byte, v float64) []byte {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, v, 'f', -1, 64)
}

const hex = "0123456789abcdef"

// appendText appends a JSON string (RFC 8259). Bytes that are not UTF-8 become U+FFFD; U+2028 and U+2029 are escaped, since JavaScript once
// took them for line ends.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' && c != 0x7f {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[from:i]...), `\ufffd`...)
				i++
				from = i
				continue
			}
			if r == '\u2028' || r == '\u2029' {
				b = append(append(b, s[from:i]...), `\u202`...)
				b = append(b, hex[r&0xf])
				from = i + size
			}
			i += size
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}
