package segment

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"probetape/schemas"
)

// syscallsTable is the table of the kit of all system calls.
func syscallsTable() *schemas.Table {
	t := &schemas.Table{ID: 3, Name: "syscall", Call: true, Source: "syscall = syscall:* { ... }"}
	for _, name := range []string{"arg0", "arg1", "arg2", "arg3", "arg4", "arg5"} {
		t.Fields = append(t.Fields, schemas.Field{Name: name, Type: schemas.TypeU64, Display: schemas.DisplayHex})
	}
	t.Fields = append(t.Fields, schemas.Field{Name: "retval", Type: schemas.TypeI64, Display: schemas.DisplayErrno, AtExit: true})
	return t
}

// A traffic makes rows that look like those of a busy server: a dozen threads on four CPUs that read, write, wait and take locks.
type traffic struct {
	r    *rand.Rand
	time int64
}

func newTraffic() *traffic { return &traffic{rand.New(rand.NewPCG(1, 2)), 3_600_000_000_000} }

// Fill makes the batch one of n rows.
func (g *traffic) fill(b *schemas.Batch, t *schemas.Table, n int) {
	b.Reset(t)
	b.Len = n
	for range n {
		g.time += int64(g.r.ExpFloat64() * 2000)
		thread := g.r.IntN(12)
		heap, stack := uint64(0x7f3a_1c00_0000+thread<<24), uint64(0x7f3a_9000_0000+thread<<20)
		site, ret, took := schemas.SiteID(0), int64(0), int64(g.r.ExpFloat64()*900)+150
		var args [6]uint64
		size := uint64(1 << g.r.IntN(14))
		switch k := g.r.IntN(10); {
		case k < 3: // read
			site, args, ret = 12, [6]uint64{uint64(g.r.IntN(200)), heap + uint64(g.r.IntN(1<<16)), 16384, 0, 0, 0}, int64(size)
		case k < 6: // write
			site, args, ret = 13, [6]uint64{uint64(g.r.IntN(200)), heap + uint64(g.r.IntN(1<<16)), size, 0, 0, 0}, int64(size)
		case k < 8: // futex
			site, args = 40, [6]uint64{heap + 0x480, 128, uint64(g.r.IntN(3)), 0, 0, stack}
			if g.r.IntN(3) == 0 {
				ret = -11
			}
		case k < 9: // epoll_wait
			site, args, ret, took = 51, [6]uint64{7, stack + 0x100, 512, ^uint64(0), 0, 8}, 1, took*500
		default:
			site, args, ret = schemas.SiteID(60+g.r.IntN(40)), [6]uint64{uint64(g.r.IntN(1000)), stack, g.r.Uint64() >> 32, heap}, 0
		}
		errno := uint16(0)
		if ret < 0 {
			errno = uint16(-ret)
		}
		b.Time = append(b.Time, g.time)
		b.CPU = append(b.CPU, uint16(thread%4))
		b.Task = append(b.Task, schemas.TaskID(100+thread))
		b.Site = append(b.Site, site)
		b.Duration = append(b.Duration, took)
		b.End = append(b.End, schemas.EndReturned)
		b.Errno = append(b.Errno, errno)
		for i, a := range args {
			b.Columns[i].Ints = append(b.Columns[i].Ints, int64(a))
		}
		b.Columns[6].Ints = append(b.Columns[6].Ints, ret)
	}
}

// memory is a file in memory.
type memory struct {
	b      []byte
	closed bool
	synced int
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if n := int(off) + len(p); n > len(m.b) {
		if n > cap(m.b) {
			m.b = append(make([]byte, 0, n+n/2), m.b...)
		}
		m.b = m.b[:n]
	}
	return copy(m.b[off:], p), nil
}

func (m *memory) Sync() error { m.synced++; return nil }

func (m *memory) Truncate(n int64) error { m.b = m.b[:n]; return nil }

func (m *memory) Close() error { m.closed = true; return nil }

// everyTable has a field of each type, and fields whose names are taken.
func everyTable(call bool) *schemas.Table {
	t := &schemas.Table{ID: 2, Name: "every", Call: call, Source: "every = ...", Kit: "kit"}
	for typ := schemas.TypeBool; typ <= schemas.TypeEnum; typ++ {
		f := schemas.Field{Name: typ.String(), Type: typ}
		if typ.Text() {
			f.MaxLen = 64
		}
		if typ == schemas.TypeEnum {
			f.Enum = []schemas.EnumValue{{Value: -1, Name: "none"}, {Value: 2, Name: "two"}}
		}
		t.Fields = append(t.Fields, f)
	}
	t.Fields = append(t.Fields,
		schemas.Field{Name: "time", Type: schemas.TypeU64},
		schemas.Field{Name: "string_cut", Type: schemas.TypeBytes, MaxLen: 16},
		schemas.Field{Name: "string_cut_", Type: schemas.TypeI8},
	)
	return t
}

// random makes the batch one of n rows of any values; a share of them null or cut.
func random(r *rand.Rand, b *schemas.Batch, t *schemas.Table, n int) {
	b.Reset(t)
	b.Len = n
	for i := range n {
		b.Time = append(b.Time, 1_000_000_000+r.Int64N(1_000_000))
		b.CPU = append(b.CPU, uint16(r.Uint32()))
		b.Task = append(b.Task, schemas.TaskID(r.Uint32()))
		b.Site = append(b.Site, schemas.SiteID(r.IntN(300)))
		if t.Call {
			end := schemas.End(r.IntN(int(schemas.EndReturnMissed) + 1))
			duration := int64(0)
			if end == schemas.EndReturned {
				duration = r.Int64N(1_000_000)
			}
			b.Duration = append(b.Duration, duration)
			b.End = append(b.End, end)
			b.Errno = append(b.Errno, uint16(r.IntN(2)*r.IntN(4096)))
		}
		for j := range b.Columns {
			randomValue(r, &b.Columns[j], &t.Fields[j], i)
		}
	}
	if n == 0 {
		for j := range b.Columns {
			b.Columns[j].Offs = append(b.Columns[j].Offs, 0)
		}
	}
}

func randomValue(r *rand.Rand, c *schemas.Column, f *schemas.Field, i int) {
	null := r.IntN(8) == 0
	if null {
		c.Null = c.Null.Set(i)
	}
	if !f.Type.Text() {
		v := int64(0)
		if !null {
			v = int64(r.Uint64())
			shift := 64 - 8*f.Type.Size()
			if f.Type == schemas.TypeBool {
				v &= 1
			} else if f.Type.Signed() {
				v = v << shift >> shift
			} else {
				v = int64(uint64(v) << shift >> shift)
			}
		}
		c.Ints = append(c.Ints, v)
		return
	}
	if len(c.Offs) == 0 {
		c.Offs = append(c.Offs, 0)
	}
	if !null {
		for range r.IntN(f.MaxLen + 1) {
			c.Data = append(c.Data, byte(r.Uint32()))
		}
		if r.IntN(8) == 0 {
			c.Cut = c.Cut.Set(i)
		}
	}
	c.Offs = append(c.Offs, uint32(len(c.Data)))
}

// A row is all of a row's values, for comparing.
type row struct {
	time, duration int64
	cpu, errno     uint16
	task           schemas.TaskID
	site           schemas.SiteID
	end            schemas.End
	values         string
}

// rowsOf are a batch's rows; the columns that it lacks are zero.
func rowsOf(b *schemas.Batch) []row {
	rows := make([]row, b.Len)
	for i := range rows {
		r := &rows[i]
		set(&r.time, b.Time, i)
		set(&r.cpu, b.CPU, i)
		set(&r.task, b.Task, i)
		set(&r.site, b.Site, i)
		set(&r.duration, b.Duration, i)
		set(&r.end, b.End, i)
		set(&r.errno, b.Errno, i)
		for j := range b.Columns {
			r.values += valueText(&b.Columns[j], i) + "|"
		}
	}
	return rows
}

func set[T any](v *T, of []T, i int) {
	if i < len(of) {
		*v = of[i]
	}
}

func valueText(c *schemas.Column, i int) string {
	switch {
	case c.Null.Get(i):
		return "null"
	case len(c.Offs) > 0 && c.Cut.Get(i):
		return fmt.Sprintf("%x...", c.Bytes(i))
	case len(c.Offs) > 0:
		return fmt.Sprintf("%x", c.Bytes(i))
	case len(c.Ints) > 0:
		return strconv.FormatInt(c.Ints[i], 10)
	}
	return ""
}

// allColumns is a query for everything.
func allColumns(t *schemas.Table) *schemas.Query {
	q := &schemas.Query{Base: schemas.ColBaseAll}
	for _, f := range t.Fields {
		q.Fields = append(q.Fields, f.Name)
	}
	return q
}

// refresh replaces text in a segment and makes the checksums of its messages right again.
func refresh(file []byte, old, with string) []byte {
	file = bytes.ReplaceAll(slices.Clone(file), []byte(old), []byte(with))
	return resum(file)
}

// resum makes the checksums of a segment's messages right.
func resum(file []byte) []byte {
	for off := 0; off+prefixSize < len(file); {
		n := int(binary.LittleEndian.Uint32(file[off+4:]))
		if n == 0 {
			break
		}
		message := file[off : off+prefixSize+n]
		var sum [4]byte
		binary.BigEndian.PutUint32(sum[:], messageSum(testID.seed(), message))
		hex.Encode(message[len(message)-sumSize+4:], sum[:])
		f := flat{b: message[prefixSize:]}
		off += len(message) + int(f.i64Field(f.root(), messageBodyLength))
	}
	return file
}
