package segment

import "encoding/binary"

// flat reads a flatbuffer that may be anything. A place outside it makes bad true and the value zero: check bad at the end. It follows no
// more references than it is called for, so that no cycle can hold it.
type flat struct {
	b   []byte
	bad bool
}

// A flatTable is a table's place: where its fields and its vtable are.
type flatTable struct{ pos, vtable, vsize int }

func (f *flat) u16(at int) int {
	if at < 0 || at > len(f.b)-2 {
		f.bad = true
		return 0
	}
	return int(binary.LittleEndian.Uint16(f.b[at:]))
}

func (f *flat) u32(at int) int {
	if at < 0 || at > len(f.b)-4 {
		f.bad = true
		return 0
	}
	return int(binary.LittleEndian.Uint32(f.b[at:]))
}

func (f *flat) i64(at int) int64 {
	if at < 0 || at > len(f.b)-8 {
		f.bad = true
		return 0
	}
	return int64(binary.LittleEndian.Uint64(f.b[at:]))
}

func (f *flat) root() flatTable { return f.tableAt(f.u32(0)) }

func (f *flat) tableAt(pos int) flatTable {
	t := flatTable{pos: pos, vtable: pos - int(int32(f.u32(pos)))}
	t.vsize = f.u16(t.vtable)
	return t
}

// field is where field n of a table is; 0: it has its default.
func (f *flat) field(t flatTable, n int) int {
	slot := 4 + 2*n
	if f.bad || slot+2 > t.vsize {
		return 0
	}
	off := f.u16(t.vtable + slot)
	if off == 0 {
		return 0
	}
	return t.pos + off
}

// follow is what a reference at field n points to; 0: there is none.
func (f *flat) follow(t flatTable, n int) int {
	at := f.field(t, n)
	if at == 0 {
		return 0
	}
	return at + f.u32(at)
}

func (f *flat) byteField(t flatTable, n int) int {
	at := f.field(t, n)
	if at == 0 {
		return 0
	}
	if at >= len(f.b) {
		f.bad = true
		return 0
	}
	return int(f.b[at])
}

func (f *flat) i64Field(t flatTable, n int) int64 {
	at := f.field(t, n)
	if at == 0 {
		return 0
	}
	return f.i64(at)
}

func (f *flat) tableField(t flatTable, n int) (flatTable, bool) {
	at := f.follow(t, n)
	if at == 0 || f.bad {
		return flatTable{}, false
	}
	return f.tableAt(at), !f.bad
}

// vector is a vector field's first element and its length; elements have size bytes each.
func (f *flat) vector(t flatTable, n, size int) (at, length int) {
	at = f.follow(t, n)
	if at == 0 || f.bad {
		return 0, 0
	}
	length = f.u32(at)
	at += 4
	if f.bad || length > (len(f.b)-at)/size {
		f.bad = true
		return 0, 0
	}
	return at, length
}

func (f *flat) text(t flatTable, n int) []byte {
	at, length := f.vector(t, n, 1)
	if f.bad {
		return nil
	}
	return f.b[at : at+length]
}

// value finds key in a vector of KeyValue tables, field n of t.
func (f *flat) value(t flatTable, n int, key string) []byte {
	at, length := f.vector(t, n, 4)
	for i := range length {
		kv := f.tableAt(at + 4*i + f.u32(at+4*i))
		if string(f.text(kv, 0)) == key {
			return f.text(kv, 1)
		}
		if f.bad {
			return nil
		}
	}
	return nil
}
