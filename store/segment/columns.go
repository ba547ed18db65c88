package segment

import (
	"fmt"

	"probetape/schemas"
)

// A column is one column of the Arrow schema that a table maps to.
//
// The mapping, in order:
//
//	base columns   time int64, cpu uint16, task uint32, site uint32
//	call tables    duration int64, end uint8, errno uint16
//	each field     bool: bool; i8 to i64, u8 to u64: the same; stack: uint32; enum: int64; string and bytes: binary
//	               nullable: a null could not be read
//	               string and bytes are followed by a bool column NAME_cut: the value was longer than what was kept
//
// Strings are binary, since what a traced program hands to the kernel need not be UTF-8, and readers refuse a whole file for one such value.
// A name that is taken gets underscores at its end: columns are told by position, the names are for people.
type column struct {
	name  string
	kind  columnKind
	width int // bytes of a value; 0: bits or binary

	base  schemas.BaseColumns // a base column; 0: of a field
	field int                 // of a field: its index
	cut   bool                // the field's marks of cut values

	buffer int // its first Arrow buffer: validity; values, or offsets and values, follow
}

type columnKind uint8

const (
	kindUint columnKind = iota
	kindInt
	kindBool
	kindBinary
)

func (c *column) nullable() bool { return c.base == 0 && !c.cut }

// buffers is how many Arrow buffers the column has.
func (c *column) buffers() int {
	if c.kind == kindBinary {
		return 3
	}
	return 2
}

// A layout is a table's columns.
type layout struct {
	table   *schemas.Table
	columns []column
	buffers int
	fixed   int // upper bound of the bytes per row in the buffers, without binary values
}

func newLayout(t *schemas.Table) (*layout, error) {
	if len(t.Fields) > schemas.MaxFields {
		return nil, fmt.Errorf("table %q: %d fields, at most %d", t.Name, len(t.Fields), schemas.MaxFields)
	}
	l := &layout{table: t}
	names := map[string]bool{}
	add := func(c column) {
		for names[c.name] {
			c.name += "_"
		}
		names[c.name] = true
		c.buffer = l.buffers
		l.buffers += c.buffers()
		switch c.kind {
		case kindBool:
			l.fixed++
		case kindBinary:
			l.fixed += 4
		}
		l.fixed += c.width
		if c.nullable() {
			l.fixed++
		}
		l.columns = append(l.columns, c)
	}
	add(column{name: "time", kind: kindInt, width: 8, base: schemas.ColTime})
	add(column{name: "cpu", kind: kindUint, width: 2, base: schemas.ColCPU})
	add(column{name: "task", kind: kindUint, width: 4, base: schemas.ColTask})
	add(column{name: "site", kind: kindUint, width: 4, base: schemas.ColSite})
	if t.Call {
		add(column{name: "duration", kind: kindInt, width: 8, base: schemas.ColDuration})
		add(column{name: "end", kind: kindUint, width: 1, base: schemas.ColEnd})
		add(column{name: "errno", kind: kindUint, width: 2, base: schemas.ColErrno})
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		c := column{name: f.Name, field: i}
		switch {
		case f.Type == schemas.TypeBool:
			c.kind = kindBool
		case f.Type.Text():
			c.kind = kindBinary
		case f.Type.Size() == 0:
			return nil, fmt.Errorf("table %q: field %q: %v", t.Name, f.Name, f.Type)
		case f.Type.Signed():
			c.kind, c.width = kindInt, f.Type.Size()
		default:
			c.kind, c.width = kindUint, f.Type.Size()
		}
		add(c)
		if c.kind == kindBinary {
			add(column{name: l.columns[len(l.columns)-1].name + "_cut", kind: kindBool, field: i, cut: true})
		}
	}
	return l, nil
}

// sameShape reports whether rows of table a are rows of table b: the columns are told by position, kind and field name.
func sameShape(a, b *schemas.Table) bool {
	if a.ID != b.ID || a.Name != b.Name || a.Call != b.Call || len(a.Fields) != len(b.Fields) {
		return false
	}
	for i := range a.Fields {
		if a.Fields[i].Name != b.Fields[i].Name || a.Fields[i].Type != b.Fields[i].Type {
			return false
		}
	}
	return true
}
