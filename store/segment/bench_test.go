package segment

import (
	"bytes"
	"testing"

	"probetape/schemas"
)

// nothing is a file that keeps nothing.
type nothing struct{ size int64 }

func (n *nothing) WriteAt(p []byte, off int64) (int, error) {
	n.size = off + int64(len(p))
	return len(p), nil
}
func (n *nothing) Sync() error          { return nil }
func (n *nothing) Truncate(int64) error { return nil }
func (n *nothing) Close() error         { return nil }

func perRow(b *testing.B, rows int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

func BenchmarkAppend(b *testing.B) {
	t := syscallsTable()
	var batch schemas.Batch
	newTraffic().fill(&batch, t, 4096)
	var f nothing
	w, err := NewWriter(&f, Identity{"c0ffee", 1}, t, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := w.Append(&batch); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Append(&batch); err != nil {
			b.Fatal(err)
		}
	}
	perRow(b, b.N*batch.Len)
	b.ReportMetric(float64(w.Bytes())/float64(w.Rows()), "B/row")
}

// benchSegment is a segment of a busy server's system calls: a million rows, as a recorder writes them.
func benchSegment(b *testing.B, sealed bool) *Reader {
	b.Helper()
	t := syscallsTable()
	var batch schemas.Batch
	var f memory
	w, err := NewWriter(&f, testID, t, nil)
	if err != nil {
		b.Fatal(err)
	}
	g := newTraffic()
	for range 1 << 20 / 4096 {
		g.fill(&batch, t, 4096)
		if err := w.Append(&batch); err != nil {
			b.Fatal(err)
		}
	}
	r, err := Open(bytes.NewReader(f.b), int64(len(f.b)), Options{})
	if err != nil || !sealed {
		return r
	}
	var out memory
	if _, err := benchSealer(b).Seal(b.Context(), &out, testID, []*Reader{r}, nil); err != nil {
		b.Fatal(err)
	}
	r, err = Open(bytes.NewReader(out.b), int64(len(out.b)), Options{})
	if err != nil {
		b.Fatal(err)
	}
	return r
}

func benchSealer(b *testing.B) *Sealer {
	b.Helper()
	s, err := NewSealer()
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkSeal(b *testing.B) {
	r := benchSegment(b, false)
	s := benchSealer(b)
	b.ReportAllocs()
	rows := uint64(0)
	var f nothing
	for b.Loop() {
		facts, err := s.Seal(b.Context(), &f, testID, []*Reader{r}, nil)
		if err != nil {
			b.Fatal(err)
		}
		rows = facts.Rows
	}
	perRow(b, b.N*int(rows))
	b.ReportMetric(float64(f.size)/float64(rows), "B/row")
}

func BenchmarkScan(b *testing.B) {
	table := syscallsTable()
	for _, c := range []struct {
		name string
		q    *schemas.Query
	}{
		{"all", allColumns(table)},
		{"duration", &schemas.Query{Base: schemas.ColDuration}},
		{"site+duration", &schemas.Query{Base: schemas.ColDuration | schemas.ColSite}},
		{"arg1", &schemas.Query{Fields: []string{"arg1"}}},
		{"none", &schemas.Query{}},
	} {
		for _, sealed := range []bool{false, true} {
			name := c.name + "/open"
			if sealed {
				name = c.name + "/sealed"
			}
			b.Run(name, func(b *testing.B) {
				r := benchSegment(b, sealed)
				var s Scanner
				b.ReportAllocs()
				rows := 0
				for b.Loop() {
					for batch, err := range s.Scan(b.Context(), r, c.q) {
						if err != nil {
							b.Fatal(err)
						}
						rows += batch.Len
					}
				}
				perRow(b, rows)
			})
		}
	}
}
