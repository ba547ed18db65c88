package analyze

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"probetape/analyze/errno"
	"probetape/analyze/report"
	"probetape/schemas"
)

// fieldReader gives the values of one field as reports show them.
type fieldReader struct {
	field  *schemas.Field
	enum   map[int64]string
	stacks *stackTable // for stacks and pointers
	clock  timeline    // for times
}

func newFieldReader(c *capture, f *schemas.Field) (*fieldReader, error) {
	r := &fieldReader{field: f, clock: c.clock}
	if f.Type == schemas.TypeEnum {
		r.enum = make(map[int64]string, len(f.Enum))
		for _, e := range f.Enum {
			if _, ok := r.enum[e.Value]; !ok { // an enum's first name for a value is the one meant
				r.enum[e.Value] = e.Name
			}
		}
	}
	if f.Type == schemas.TypeStackID || f.Display == schemas.DisplayPointer {
		var err error
		if r.stacks, err = c.stacksOf(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// value returns the value of row i of the field's column. pid is whose addresses pointers are.
func (r *fieldReader) value(col *schemas.Column, i int, pid uint32) report.Value {
	if col.Null.Get(i) {
		return report.Value{}
	}
	if r.field.Type.Text() {
		return report.Value{Kind: report.Text, Text: r.text(col.Bytes(i)), Cut: col.Cut.Get(i)}
	}
	return r.integer(col.Ints[i], pid)
}

// text returns a text as UTF-8; bytes are written in hex.
func (r *fieldReader) text(b []byte) string {
	if r.field.Type == schemas.TypeBytes {
		return hex.EncodeToString(b)
	}
	return validUTF8(b)
}

// validUTF8 returns a text as it is where it is UTF-8; where not, each wrong byte becomes \xNN.
func validUTF8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&s, `\x%02x`, b[0])
		} else {
			s.Write(b[:n])
		}
		b = b[n:]
	}
	return s.String()
}

func (r *fieldReader) integer(v int64, pid uint32) report.Value {
	text := func(s string) report.Value { return report.Value{Kind: report.Name, Text: s} }
	switch r.field.Type {
	case schemas.TypeBool:
		return report.Value{Kind: report.Bool, Int: v & 1}
	case schemas.TypeEnum:
		if name, ok := r.enum[v]; ok {
			return text(name)
		}
		return report.Value{Kind: report.Int, Int: v}
	case schemas.TypeStackID:
		if s := r.stacks.stack(uint32(v)); s != "" {
			return text(s)
		}
		return report.Value{Kind: report.Int, Int: v}
	}
	switch r.field.Display {
	case schemas.DisplayHex:
		return text(fmt.Sprintf("%#x", r.bits(v)))
	case schemas.DisplayPointer:
		if kernelAddress(uint64(v)) {
			pid = 0
		}
		return text(r.stacks.address(pid, r.bits(v)))
	case schemas.DisplayErrno:
		if v >= -4095 && v < 0 {
			return text(errno.Name(uint16(-v)))
		}
	case schemas.DisplayTime:
		if r.clock.known() {
			return report.Value{Kind: report.Moment, Int: r.clock.utc(v)}
		}
	}
	if r.field.Type == schemas.TypeU64 {
		return report.Value{Kind: report.Uint, Int: v}
	}
	return report.Value{Kind: report.Int, Int: v}
}

// bits returns a number's bits in the field's own width.
func (r *fieldReader) bits(v int64) uint64 {
	if size := r.field.Type.Size(); size > 0 && size < 8 {
		return uint64(v) & (1<<(8*size) - 1)
	}
	return uint64(v)
}

// kernelAddress reports whether an address is in the upper half, which is the kernel's on x86-64 and arm64.
func kernelAddress(a uint64) bool { return a>>63 != 0 }
