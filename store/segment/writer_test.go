package segment

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"probetape/schemas"
)

// faulty is a file whose writing fails from some call on, once: by an error after some bytes, or by writing too few without one.
type faulty struct {
	memory
	calls, failAt int
	short         bool
}

var errDisk = errors.New("no space left on device")

func (f *faulty) WriteAt(p []byte, off int64) (int, error) {
	f.calls++
	if f.calls != f.failAt {
		return f.memory.WriteAt(p, off)
	}
	n, err := f.memory.WriteAt(p[:len(p)/2], off)
	if err == nil && !f.short {
		err = errDisk
	}
	return n, err
}

// TestWriteFaults lets every single write of a segment fail: the batch that it belongs to is refused as a whole, and everything else is
// there, written before or after.
func TestWriteFaults(t *testing.T) {
	table := everyTable(true)
	for _, short := range []bool{false, true} {
		for failAt := 2; failAt < 12; failAt++ {
			f := &faulty{failAt: failAt, short: short}
			w, err := NewWriter(f, testID, table, nil)
			if err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(25, 26))
			var b schemas.Batch
			var want []row
			refused := 0
			for _, n := range []int{10, MaxRows + 100, 30, 3} {
				random(r, &b, table, n)
				before := w.Segment()
				if err := w.Append(&b); err != nil {
					refused++
					if diff := cmp.Diff(before, w.Segment()); diff != "" {
						t.Error(diff)
					}
					continue
				}
				want = append(want, rowsOf(&b)...)
			}
			if refused != 1 {
				t.Fatalf("write %d: %d batches refused", failAt, refused)
			}
			if err := w.Finish(); err != nil {
				t.Fatal(err)
			}
			sealed := w.Segment()
			sealed.Sealed = true
			reader := opened(t, f.b, Options{ID: testID, Sealed: true, Rows: uint64(len(want))})
			sameRows(t, whole(t, reader, allColumns(table)), want)
			verified(t, reader, sealed)
		}
	}
	f := &faulty{failAt: 1}
	if _, err := NewWriter(f, testID, table, nil); !errors.Is(err, errDisk) {
		t.Error(err)
	}
}

// TestFinishFaults has errors at the end, which must not be lost.
func TestFinishFaults(t *testing.T) {
	f := &faulty{failAt: 2}
	w, err := NewWriter(f, testID, callTable(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(); !errors.Is(err, errDisk) || !f.closed {
		t.Errorf("%v, closed %v", err, f.closed)
	}
}

// TestRefusedBatches hands the writer what it must not write, since no reader would take it back.
func TestRefusedBatches(t *testing.T) {
	table := callTable()
	for name, edit := range map[string]func(*schemas.Batch){
		"no table":          func(b *schemas.Batch) { b.Table = nil },
		"another table":     func(b *schemas.Batch) { b.Table = everyTable(true) },
		"negative":          func(b *schemas.Batch) { b.Len = -1 },
		"times":             func(b *schemas.Batch) { b.Time = b.Time[:9] },
		"ends":              func(b *schemas.Batch) { b.End = nil },
		"fields":            func(b *schemas.Batch) { b.Columns = b.Columns[:1] },
		"values":            func(b *schemas.Batch) { b.Columns[0].Ints = b.Columns[0].Ints[:9] },
		"offsets":           func(b *schemas.Batch) { b.Columns[2].Offs = b.Columns[2].Offs[:10] },
		"offsets descend":   func(b *schemas.Batch) { b.Columns[2].Offs[3] = 1 << 20 },
		"offsets beyond":    func(b *schemas.Batch) { b.Columns[2].Offs[10] = 1 << 20 },
		"time":              func(b *schemas.Batch) { b.Time[4] = -1 },
		"time huge":         func(b *schemas.Batch) { b.Time[4] = schemas.MaxTime },
		"duration":          func(b *schemas.Batch) { b.Duration[4] = -1 },
		"duration huge":     func(b *schemas.Batch) { b.Duration[4] = schemas.MaxTime - 5 },
		"end":               func(b *schemas.Batch) { b.End[4] = 6 },
		"site":              func(b *schemas.Batch) { b.Site[4] = schemas.MaxSites },
		"wide":              func(b *schemas.Batch) { b.Columns[0].Null, b.Columns[0].Ints[4] = nil, 1<<15 },
		"bool":              func(b *schemas.Batch) { b.Columns[1].Null, b.Columns[1].Ints[4] = nil, 2 },
		"null with a value": func(b *schemas.Batch) { b.Columns[0].Null, b.Columns[0].Ints[4] = schemas.Bitmap{1 << 4}, 5 },
	} {
		f := &memory{}
		w, err := NewWriter(f, testID, table, nil)
		if err != nil {
			t.Fatal(err)
		}
		var b schemas.Batch
		random(rand.New(rand.NewPCG(27, 28)), &b, table, 10)
		edit(&b)
		before := w.Segment()
		if err := w.Append(&b); err == nil {
			t.Errorf("%s: written", name)
		}
		if diff := cmp.Diff(before, w.Segment()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	long := callTable()
	long.Source = string(make([]byte, MaxMetadata))
	if _, err := NewWriter(&memory{}, testID, long, nil); err == nil {
		t.Error("a description of more than 1 MiB is written")
	}
	many := callTable()
	for len(many.Fields) <= schemas.MaxFields {
		many.Fields = append(many.Fields, schemas.Field{Name: string(rune('a' + len(many.Fields))), Type: schemas.TypeU8})
	}
	if _, err := NewWriter(&memory{}, testID, many, nil); err == nil {
		t.Error("33 fields are written")
	}
}

// TestLongTexts appends more bytes at once than a batch may have.
func TestLongTexts(t *testing.T) {
	table := &schemas.Table{Name: "texts", Fields: []schemas.Field{{Name: "text", Type: schemas.TypeBytes, MaxLen: 4096}}}
	b := schemas.Batch{Table: table, Len: 20000, Time: make([]int64, 20000), CPU: make([]uint16, 20000), Task: make([]schemas.TaskID, 20000),
		Site: make([]schemas.SiteID, 20000), Columns: []schemas.Column{{Offs: []uint32{0}}}}
	c := &b.Columns[0]
	for i := range 20000 {
		b.Time[i] = int64(20000 - i)
		c.Data = append(c.Data, make([]byte, 4096)...)
		c.Data[len(c.Data)-1] = byte(i)
		c.Offs = append(c.Offs, uint32(len(c.Data)))
	}
	f := &memory{}
	w, err := NewWriter(f, testID, table, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(&b); err != nil {
		t.Fatal(err)
	}
	if n := w.Segment().Batches; n < 3 {
		t.Errorf("%d batches", n)
	}
	for _, file := range [][]byte{f.b, sealedFrom(t, f.b)} {
		n := 0
		var s Scanner
		var last, want [256]int
		for b, err := range s.Scan(t.Context(), opened(t, file, Options{}), allColumns(table)) {
			if err != nil {
				t.Fatal(err)
			}
			for i := range b.Len {
				v := b.Columns[0].Bytes(i)
				last[v[len(v)-1]]++
			}
			n += b.Len
		}
		if n != b.Len {
			t.Errorf("%d rows", n)
		}
		for i := range b.Len {
			want[byte(i)]++
		}
		if last != want {
			t.Errorf("values %v, want %v", last, want)
		}
	}
}

// TestSteadyState holds writing and reading to allocate nothing for a batch.
func TestSteadyState(t *testing.T) {
	table := syscallsTable()
	var b schemas.Batch
	newTraffic().fill(&b, table, 4096)
	w, err := NewWriter(&nothing{}, testID, table, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(50, func() {
		if err := w.Append(&b); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations to append", n)
	}

	f := &memory{}
	if w, err = NewWriter(f, testID, table, nil); err != nil {
		t.Fatal(err)
	}
	const batches = 200
	for range batches {
		if err := w.Append(&b); err != nil {
			t.Fatal(err)
		}
	}
	r, q := opened(t, f.b, Options{}), allColumns(table)
	var s Scanner
	ctx := t.Context()
	if n := testing.AllocsPerRun(5, func() {
		for _, err := range s.Scan(ctx, r, q) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}); n > 10 {
		t.Errorf("%v allocations to scan %d batches", n, batches)
	}
}
