package decode

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"probetape/schemas"
)

type tids struct{}

func (tids) Lookup(_, tid uint32, _ int64) schemas.TaskID { return schemas.TaskID(tid) }

func testTables() ([]schemas.Table, []schemas.Site) {
	tables := []schemas.Table{
		{ID: 0, Name: "point", Fields: []schemas.Field{
			{Name: "b", Type: schemas.TypeBool}, {Name: "i8", Type: schemas.TypeI8}, {Name: "u8", Type: schemas.TypeU8},
			{Name: "i16", Type: schemas.TypeI16}, {Name: "u16", Type: schemas.TypeU16}, {Name: "i32", Type: schemas.TypeI32},
			{Name: "u32", Type: schemas.TypeU32}, {Name: "i64", Type: schemas.TypeI64}, {Name: "u64", Type: schemas.TypeU64},
			{Name: "s", Type: schemas.TypeString, MaxLen: 16}, {Name: "buf", Type: schemas.TypeBytes, MaxLen: 8},
		}},
		{ID: 1, Name: "call", Call: true, Fields: []schemas.Field{{Name: "fd", Type: schemas.TypeI32}, {Name: "ret", Type: schemas.TypeI64, AtExit: true}}},
		{ID: 2, Name: "empty"},
	}
	sites := []schemas.Site{{ID: 0, Table: 0}, {ID: 1, Table: 1}, {ID: 2, Table: 1}, {ID: 3, Table: 2}}
	return tables, sites
}

// A builder writes samples as the programs do.
type builder struct{ out []byte }

func newBuilder() *builder { return &builder{make([]byte, sizeBatch)} }

func (b *builder) record(t *schemas.Table, site uint32, time, task uint64, fill func(rec []byte) []byte) []byte {
	l := schemas.LayoutOf(t)
	rec := make([]byte, l.Fixed)
	binary.LittleEndian.PutUint16(rec[2:], uint16(t.ID))
	binary.LittleEndian.PutUint32(rec[4:], site)
	binary.LittleEndian.PutUint64(rec[8:], time)
	binary.LittleEndian.PutUint64(rec[16:], task)
	if fill != nil {
		rec = fill(rec)
	}
	rec = append(rec, make([]byte, -len(rec)&7)...)
	binary.LittleEndian.PutUint16(rec, uint16(len(rec)))
	b.out = append(b.out, rec...)
	return rec
}

func (b *builder) sample() []byte {
	binary.LittleEndian.PutUint32(b.out, uint32(len(b.out)))
	return b.out
}

func text(rec []byte, off int, s string) []byte {
	binary.LittleEndian.PutUint16(rec[off:], uint16(len(rec)))
	binary.LittleEndian.PutUint16(rec[off+2:], uint16(len(s)))
	return append(rec, s...)
}

func TestDecodeEveryType(t *testing.T) {
	tables, sites := testTables()
	l := schemas.LayoutOf(&tables[0])
	b := newBuilder()
	b.record(&tables[0], 0, 100, 7<<32|8, func(rec []byte) []byte {
		for i := range 9 {
			for k := range tables[0].Fields[i].Type.Size() {
				rec[l.Offs[i]+k] = 0xff
			}
		}
		rec = text(rec, l.Offs[9], "hello\x00rest")
		return text(rec, l.Offs[10], "a\x00b")
	})
	b.record(&tables[0], 0, 200, 7<<32|9, func(rec []byte) []byte {
		binary.LittleEndian.PutUint32(rec[l.Masks:], 1<<7|1<<9) // i64 and s are null, whatever their bytes
		binary.LittleEndian.PutUint32(rec[l.Masks+4:], 1<<10)
		rec[l.Offs[7]] = 5
		rec[l.Offs[9]+1] = 0xff
		return text(rec, l.Offs[10], "12345678")
	})
	rows := 0
	d := New(Config{Tables: tables, Sites: sites, Tasks: tids{}, Emit: func(got *schemas.Batch) error {
		rows += got.Len
		if got.Table.Name != "point" || got.Len != 2 || got.Time[1] != 200 || got.Task[0] != 8 || got.Task[1] != 9 || got.CPU[0] != 3 {
			t.Errorf("batch %+v", got)
		}
		for i, want := range []int64{1, -1, math.MaxUint8, -1, math.MaxUint16, -1, math.MaxUint32, -1, -1} {
			if v := got.Columns[i].Ints[0]; v != want {
				t.Errorf("column %s: %d, want %d", tables[0].Fields[i].Name, v, want)
			}
		}
		s, buf := &got.Columns[9], &got.Columns[10]
		if string(s.Bytes(0)) != "hello" || string(s.Bytes(1)) != "" || string(buf.Bytes(0)) != "a\x00b" || string(buf.Bytes(1)) != "12345678" {
			t.Errorf("texts %q %q %q %q", s.Bytes(0), s.Bytes(1), buf.Bytes(0), buf.Bytes(1))
		}
		if !s.Null.Get(1) || s.Null.Get(0) || !got.Columns[7].Null.Get(1) || got.Columns[7].Ints[1] != 0 || !buf.Cut.Get(1) || buf.Cut.Get(0) {
			t.Errorf("masks %v %v", s, buf)
		}
		return nil
	}})
	if err := d.Sample(3, b.sample()); err != nil {
		t.Fatal(err)
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	if l := d.Ledger(0); rows != 2 || l.After != 2 || l.Unread != 2 || l.Bad != 0 {
		t.Errorf("%d rows, ledger %+v", rows, l)
	}
}

// TestLedger holds that every record is counted once, by the time it was sent.
func TestLedger(t *testing.T) {
	tables, sites := testTables()
	d := New(Config{Tables: tables, Sites: sites, Tasks: tids{}, Emit: func(*schemas.Batch) error { return nil }})
	call := func(start, elapsed uint64, end schemas.End, null uint32) {
		b := newBuilder()
		b.record(&tables[1], 1, start, 1, func(rec []byte) []byte {
			binary.LittleEndian.PutUint64(rec[sizeRecord:], elapsed)
			rec[sizeRecord+10] = byte(end)
			binary.LittleEndian.PutUint32(rec[schemas.LayoutOf(&tables[1]).Masks:], null)
			return rec
		})
		if err := d.Sample(0, b.sample()); err != nil {
			t.Fatal(err)
		}
	}
	d.Advance(1000)
	call(900, 50, schemas.EndReturned, 0)      // sent at 950
	call(900, 200, schemas.EndReturned, 2)     // sent at 1100, its result unread
	call(10, 2000, schemas.EndThreadExited, 2) // no result to read
	call(10, 5, schemas.EndReturnMissed+1, 0)  // no such end
	call(1<<62, 1<<62, schemas.EndReturned, 0) // a sum beyond 63 bits
	if l := d.Ledger(1); l.Seen != 1 || l.After != 2 || l.Bad != 2 || l.Unread != 1 {
		t.Errorf("ledger %+v", l)
	}
	d.Advance(2000)
	if l := d.Ledger(1); l.Seen != 3 || l.After != 0 {
		t.Errorf("after advancing: %+v", l)
	}
}

func TestDamage(t *testing.T) {
	tables, sites := testTables()
	good := func() []byte {
		b := newBuilder()
		b.record(&tables[2], 3, 1, 1, nil)
		b.record(&tables[2], 3, 2, 1, nil)
		return b.sample()
	}
	put16 := func(off int, v uint16) func([]byte) []byte {
		return func(s []byte) []byte { binary.LittleEndian.PutUint16(s[off:], v); return s }
	}
	for _, tc := range []struct {
		name               string
		change             func([]byte) []byte
		seen, bad, damaged uint64
	}{
		{"none", func(s []byte) []byte { return s }, 2, 0, 0},
		{"padded by the kernel", func(s []byte) []byte { return append(s, 1, 2, 3, 4) }, 2, 0, 0},
		{"empty", func([]byte) []byte { return nil }, 0, 0, 1},
		{"size beyond the sample", put16(0, 999), 0, 0, 1},
		{"size below the header", put16(0, 8), 0, 0, 1},
		{"record size 0", put16(sizeBatch, 0), 0, 1, 0},
		{"record size not a multiple of 8", put16(sizeBatch, 33), 0, 1, 0},
		{"record beyond the sample", put16(sizeBatch, 1000), 0, 1, 0},
		{"no such table", put16(sizeBatch+2, 77), 1, 1, 0},
		{"another table's site", put16(sizeBatch+2, 1), 1, 1, 0},
		{"no such site", put16(sizeBatch+4, 999), 1, 0, 1},
	} {
		d := New(Config{Tables: tables, Sites: sites, Tasks: tids{}, Emit: func(*schemas.Batch) error { return nil }})
		if err := d.Sample(0, tc.change(good())); err != nil {
			t.Fatal(err)
		}
		if l := d.Ledger(3); l.After != tc.seen || l.Bad != tc.bad || d.Damaged() != tc.damaged {
			t.Errorf("%s: seen %d, bad %d, damaged %d; want %d, %d, %d", tc.name, l.After, l.Bad, d.Damaged(), tc.seen, tc.bad, tc.damaged)
		}
	}
}

func TestEmit(t *testing.T) {
	tables, sites := testTables()
	boom := errors.New("disk full")
	sizes := []int{}
	var fail error
	d := New(Config{Tables: tables, Sites: sites, Tasks: tids{}, BatchRows: 3, Emit: func(b *schemas.Batch) error {
		sizes = append(sizes, b.Len)
		return fail
	}})
	b := newBuilder()
	for range 7 {
		b.record(&tables[2], 3, 1, 1, nil)
	}
	if err := d.Sample(0, b.sample()); err != nil {
		t.Fatal(err)
	}
	fail = boom
	if err := d.Flush(); !errors.Is(err, boom) {
		t.Errorf("Flush: %v", err)
	}
	if len(sizes) != 3 || sizes[0] != 3 || sizes[1] != 3 || sizes[2] != 1 {
		t.Errorf("batches of %v rows", sizes)
	}
}

func FuzzSample(f *testing.F) {
	tables, sites := testTables()
	b := newBuilder()
	l := schemas.LayoutOf(&tables[0])
	b.record(&tables[0], 0, 100, 1, func(rec []byte) []byte { return text(text(rec, l.Offs[9], "hello"), l.Offs[10], "abc") })
	b.record(&tables[1], 1, 100, 1, nil)
	b.record(&tables[2], 3, 100, 1, nil)
	f.Add(b.sample())
	f.Fuzz(func(t *testing.T, raw []byte) {
		rows := 0
		d := New(Config{Tables: tables, Sites: sites, Tasks: tids{}, Emit: func(b *schemas.Batch) error {
			rows += b.Len
			for i := range b.Columns {
				c := &b.Columns[i]
				if b.Table.Fields[i].Type.Text() {
					for row := range b.Len {
						if n := len(c.Bytes(row)); n > b.Table.Fields[i].MaxLen {
							t.Fatalf("a text of %d bytes", n)
						}
					}
				} else if len(c.Ints) != b.Len {
					t.Fatalf("%d values in %d rows", len(c.Ints), b.Len)
				}
			}
			if len(b.Time) != b.Len || len(b.Site) != b.Len || b.Table.Call != (len(b.End) == b.Len && b.Len > 0) {
				t.Fatalf("base columns of %d rows: %d %d %d", b.Len, len(b.Time), len(b.Site), len(b.End))
			}
			return nil
		}})
		if err := d.Sample(0, raw); err != nil {
			t.Fatal(err)
		}
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
		total := uint64(0)
		for i := range sites {
			l := d.Ledger(schemas.SiteID(i))
			total += l.Seen + l.After
		}
		if total != uint64(rows) {
			t.Fatalf("%d rows, %d in the ledger", rows, total)
		}
	})
}

// BenchmarkDecode reports ns per event of system calls with two integers, in batches as the programs send them.
func BenchmarkDecode(b *testing.B) {
	tables, sites := testTables()
	s := newBuilder()
	const records = 100
	for i := range records {
		s.record(&tables[1], 1, uint64(i), 5<<32|6, nil)
	}
	raw := s.sample()
	d := New(Config{Tables: tables, Sites: sites, Tasks: tids{}, Emit: func(*schemas.Batch) error { return nil }})
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Sample(1, raw); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/event")
}
