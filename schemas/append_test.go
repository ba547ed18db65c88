package schemas

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestAppend holds Append against AppendRows of all rows, with batches that carry more than they say.
func TestAppend(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 5))
	for _, call := range []bool{false, true} {
		table := &Table{Name: "t", Call: call, Fields: []Field{{Name: "n", Type: TypeI64}, {Name: "s", Type: TypeString}, {Name: "b", Type: TypeBytes}}}
		var got, want Batch
		got.Reset(table)
		want.Reset(table)
		for range 50 {
			src := &Batch{}
			src.Reset(table)
			rows := r.IntN(200)
			for c := 1; c < 3; c++ {
				// Offsets need not begin at 0.
				src.Columns[c].Data = append(src.Columns[c].Data, "before"...)
				src.Columns[c].Offs = append(src.Columns[c].Offs, 6)
			}
			for i := range rows {
				src.Time, src.CPU, src.Task, src.Site = append(src.Time, r.Int64()), append(src.CPU, uint16(i)), append(src.Task, TaskID(i)), append(src.Site, SiteID(i%3))
				if call {
					src.Duration, src.End, src.Errno = append(src.Duration, r.Int64()), append(src.End, EndRunning), append(src.Errno, uint16(i))
				}
				src.Columns[0].Ints = append(src.Columns[0].Ints, r.Int64())
				for c := range 3 {
					column := &src.Columns[c]
					if r.IntN(3) == 0 {
						column.Null = column.Null.Set(i)
					}
					if c == 0 {
						continue
					}
					column.Data = append(column.Data, "some text"[:r.IntN(10)]...)
					column.Offs = append(column.Offs, uint32(len(column.Data)))
					if r.IntN(5) == 0 {
						column.Cut = column.Cut.Set(i)
					}
				}
			}
			src.Len = rows - r.IntN(rows+1)
			got.Append(src)
			all := make([]int32, src.Len)
			for i := range all {
				all[i] = int32(i)
			}
			if len(all) > 0 {
				want.AppendRows(src, all)
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("call table %t: Append differs from AppendRows:\n%s", call, diff)
		}
	}
}
