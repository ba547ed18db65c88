package segment

import (
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
