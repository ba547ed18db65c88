package decode

import (
	"bytes"
	"encoding/binary"

	"probetape/schemas"
)

// A table is the batch that one table's records are collected in, and where its fields are.
type table struct {
	table  *schemas.Table
	layout schemas.Layout
	fields []field
	entry  uint32 // mask of the fields that are read at the entry or the event
	all    uint32 // mask of all fields
	rows   int
	b      schemas.Batch
}

// A field is one field's place and form.
type field struct {
	off    int
	max    int
	form   form
	atNull uint32 // its bit in the masks
}

type form uint8

const (
	formU8 form = iota
	formI8
	formU16
	formI16
	formU32
	formI32
	form64
	formBool
	formString
	formBytes
)

func formOf(t schemas.ColumnType) form {
	switch t {
	case schemas.TypeBool:
		return formBool
	case schemas.TypeU8:
		return formU8
	case schemas.TypeI8:
		return formI8
	case schemas.TypeU16:
		return formU16
	case schemas.TypeI16:
		return formI16
	case schemas.TypeU32, schemas.TypeStackID:
		return formU32
	case schemas.TypeI32:
		return formI32
	case schemas.TypeString:
		return formString
	case schemas.TypeBytes:
		return formBytes
	}
	return form64
}

func (t *table) init(s *schemas.Table) {
	t.table, t.layout = s, schemas.LayoutOf(s)
	t.fields = make([]field, len(s.Fields))
	for i, f := range s.Fields {
		t.fields[i] = field{off: t.layout.Offs[i], max: f.MaxLen, form: formOf(f.Type), atNull: 1 << i}
		t.all |= 1 << i
		if !f.AtExit {
			t.entry |= 1 << i
		}
	}
	t.reset()
}

func (t *table) reset() {
	t.b.Reset(t.table)
	for i := range t.fields {
		if t.fields[i].form >= formString {
			t.b.Columns[i].Offs = append(t.b.Columns[i].Offs, 0)
		}
	}
	t.rows = 0
}

func (t *table) batch() *schemas.Batch {
	t.b.Len = t.rows
	return &t.b
}

// add appends a record as a row. It returns when the record was sent and how many of its values could not be read; not ok is a record
// that makes no sense, of which nothing has been kept.
func (t *table) add(rec []byte, cpu uint16, tasks Tasks, noErrno bool) (sent int64, unread int, ok bool) {
	if len(rec) < t.layout.Fixed || !t.textsInside(rec) {
		return 0, 0, false
	}
	b := &t.b
	start := int64(binary.LittleEndian.Uint64(rec[8:]))
	sent = start
	expected := t.all
	if t.table.Call {
		elapsed := int64(binary.LittleEndian.Uint64(rec[sizeRecord:]))
		errno := binary.LittleEndian.Uint16(rec[sizeRecord+8:])
		end := schemas.End(rec[sizeRecord+10])
		sent += elapsed
		if end > schemas.EndReturnMissed || elapsed < 0 || sent < start {
			return 0, 0, false
		}
		if noErrno {
			errno = 0
		}
		if end != schemas.EndReturned {
			elapsed = 0
			if end != schemas.EndDenied {
				expected = t.entry
			}
		}
		b.Duration = append(b.Duration, elapsed)
		b.End = append(b.End, end)
		b.Errno = append(b.Errno, errno)
	}
	task := binary.LittleEndian.Uint64(rec[16:])
	b.Time = append(b.Time, start)
	b.CPU = append(b.CPU, cpu)
	b.Site = append(b.Site, schemas.SiteID(binary.LittleEndian.Uint32(rec[4:])))
	b.Task = append(b.Task, tasks.Lookup(uint32(task>>32), uint32(task), start))

	null := binary.LittleEndian.Uint32(rec[t.layout.Masks:])
	cut := binary.LittleEndian.Uint32(rec[t.layout.Masks+4:])
	for i := range t.fields {
		f, c := &t.fields[i], &b.Columns[i]
		isNull := null&f.atNull != 0
		if isNull {
			c.Null = c.Null.Set(t.rows)
		}
		if f.form < formString {
			v := int64(0)
			if !isNull {
				v = f.integer(rec)
			}
			c.Ints = append(c.Ints, v)
			continue
		}
		if !isNull {
			c.Data = append(c.Data, f.text(rec)...)
			if cut&f.atNull != 0 {
				c.Cut = c.Cut.Set(t.rows)
			}
		}
		c.Offs = append(c.Offs, uint32(len(c.Data)))
	}
	t.rows++
	return sent, unreadable(null, expected), true
}

// textsInside reports whether every text of a record lies within it.
func (t *table) textsInside(rec []byte) bool {
	null := binary.LittleEndian.Uint32(rec[t.layout.Masks:])
	for i := range t.fields {
		f := &t.fields[i]
		if f.form < formString || null&f.atNull != 0 {
			continue
		}
		off, n := int(binary.LittleEndian.Uint16(rec[f.off:])), int(binary.LittleEndian.Uint16(rec[f.off+2:]))
		if n > f.max || off < t.layout.Fixed && n > 0 || off+n > len(rec) {
			return false
		}
	}
	return true
}

func (f *field) integer(rec []byte) int64 {
	switch f.form {
	case formU8:
		return int64(rec[f.off])
	case formI8:
		return int64(int8(rec[f.off]))
	case formU16:
		return int64(binary.LittleEndian.Uint16(rec[f.off:]))
	case formI16:
		return int64(int16(binary.LittleEndian.Uint16(rec[f.off:])))
	case formU32:
		return int64(binary.LittleEndian.Uint32(rec[f.off:]))
	case formI32:
		return int64(int32(binary.LittleEndian.Uint32(rec[f.off:])))
	case formBool:
		if rec[f.off] != 0 {
			return 1
		}
		return 0
	}
	return int64(binary.LittleEndian.Uint64(rec[f.off:]))
}

// text returns a text's bytes: strings end at their first NUL, since some of the kernel's are padded with them.
func (f *field) text(rec []byte) []byte {
	off, n := int(binary.LittleEndian.Uint16(rec[f.off:])), int(binary.LittleEndian.Uint16(rec[f.off+2:]))
	v := rec[off : off+n]
	if f.form == formString {
		if i := bytes.IndexByte(v, 0); i >= 0 {
			v = v[:i]
		}
	}
	return v
}
