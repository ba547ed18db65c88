package schemas

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestAppendRows builds a batch row by row from others, and holds it against a list of the rows' texts.
func TestAppendRows(t *testing.T) {
	table := &Table{Name: "t", Call: true, Fields: []Field{{Name: "n", Type: TypeI64}, {Name: "s", Type: TypeString}, {Name: "absent", Type: TypeU8}}}
	r := rand.New(rand.NewPCG(1, 2))
	row := func(b *Batch, i int) string {
		n, s := &b.Columns[0], &b.Columns[1]
		return fmt.Sprint(b.Time[i], b.CPU[i], b.Task[i], b.Site[i], b.Duration[i], b.End[i], b.Errno[i],
			n.Ints[i], n.Null.Get(i), string(s.Bytes(i)), s.Null.Get(i), s.Cut.Get(i))
	}
	random := func() *Batch {
		b := &Batch{}
		b.Reset(table)
		b.Columns[1].Offs = append(b.Columns[1].Offs, 0)
		b.Len = 1 + r.IntN(200)
		for i := range b.Len {
			b.Time, b.CPU, b.Task, b.Site = append(b.Time, r.Int64()), append(b.CPU, uint16(i)), append(b.Task, TaskID(i)), append(b.Site, SiteID(i%3))
			b.Duration, b.End, b.Errno = append(b.Duration, r.Int64()), append(b.End, EndRunning), append(b.Errno, uint16(r.IntN(9)))
			n, s := &b.Columns[0], &b.Columns[1]
			n.Ints = append(n.Ints, r.Int64())
			s.Data = append(s.Data, "some text"[:r.IntN(10)]...)
			s.Offs = append(s.Offs, uint32(len(s.Data)))
			if r.IntN(4) == 0 {
				n.Null = n.Null.Set(i)
			}
			if r.IntN(9) == 0 {
				s.Cut = s.Cut.Set(i)
			}
		}
		return b
	}
	got := &Batch{}
	got.Reset(table)
	var want []string
	for range 20 {
		src := random()
		var rows []int32
		for range r.IntN(300) {
			i := r.IntN(src.Len)
			rows = append(rows, int32(i))
			want = append(want, row(src, i))
		}
		got.AppendRows(src, rows)
	}
	if got.Len != len(want) {
		t.Fatalf("%d rows, want %d", got.Len, len(want))
	}
	for i := range want {
		if s := row(got, i); s != want[i] {
			t.Fatalf("row %d is %s, want %s", i, s, want[i])
		}
	}
	if len(got.Columns[2].Ints) != 0 {
		t.Errorf("a column that no source had got %d values", len(got.Columns[2].Ints))
	}
}
