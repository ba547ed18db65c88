package segment

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"probetape/schemas"
)

// TestSealKeepsOrder seals rows of which many have the same time: those keep their order. Times that are far apart need the other sort.
func TestSealKeepsOrder(t *testing.T) {
	table := syscallsTable()
	for _, far := range []int64{1, 1 << 50} {
		f := &memory{}
		w, err := NewWriter(f, testID, table, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(29, 30))
		var b schemas.Batch
		var rows []row
		for range 5 {
			newTraffic().fill(&b, table, 3000)
			for i := range b.Time {
				b.Time[i] = far * int64(r.IntN(50))
				b.Columns[0].Ints[i] = int64(len(rows) + i) // tells rows apart
			}
			if err := w.Append(&b); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, rowsOf(&b)...)
		}
		sortRows(rows)
		sameRows(t, whole(t, opened(t, sealedFrom(t, f.b), Options{}), allColumns(table)), rows)
	}
}

// TestSealMerges seals several segments as one.
func TestSealMerges(t *testing.T) {
	table := everyTable(true)
	f1, _, rows1 := written(t, rand.New(rand.NewPCG(31, 32)), table, 65, 100)
	f2, _, rows2 := written(t, rand.New(rand.NewPCG(33, 34)), table, 1, 7, 1000)
	s, err := NewSealer()
	if err != nil {
		t.Fatal(err)
	}
	out := &memory{}
	id := Identity{"decaf", 99}
	sealed, err := s.Seal(t.Context(), out, id, []*Reader{opened(t, f1.b, Options{}), opened(t, f2.b, Options{})}, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows := append(rows1, rows2...)
	sortRows(rows)
	r := opened(t, out.b, Options{ID: id, Sealed: true, Rows: uint64(len(rows))})
	sameRows(t, whole(t, r, allColumns(table)), rows)
	verified(t, r, sealed)
	if !out.closed || out.synced == 0 {
		t.Errorf("closed %v, synced %d", out.closed, out.synced)
	}

	// The same again is the same bytes, and a sealer that was used is as good as new.
	again := &memory{}
	if _, err := s.Seal(t.Context(), again, id, []*Reader{opened(t, f1.b, Options{}), opened(t, f2.b, Options{})}, nil); err != nil {
		t.Fatal(err)
	}
	if string(again.b) != string(out.b) {
		t.Error("other bytes the second time")
	}

	f3, _, _ := written(t, rand.New(rand.NewPCG(33, 34)), everyTable(false), 5)
	other := &memory{}
	if _, err := s.Seal(t.Context(), other, id, []*Reader{opened(t, f1.b, Options{}), opened(t, f3.b, Options{})}, nil); !errors.Is(err, ErrForeign) || !other.closed {
		t.Errorf("two tables: %v, closed %v", err, other.closed)
	}
}

// TestSealOfDamage refuses to seal what is damaged, unless the caller takes it on.
func TestSealOfDamage(t *testing.T) {
	file, table, batches := small(t, false)
	file[ends(t, file)[1]+500] ^= 1
	s, err := NewSealer()
	if err != nil {
		t.Fatal(err)
	}
	r := opened(t, file, Options{ID: testID, Table: table, Rows: countRows(batches)})
	out := &memory{}
	if _, err := s.Seal(t.Context(), out, testID, []*Reader{r}, nil); err == nil || !out.closed {
		t.Errorf("%v, closed %v", err, out.closed)
	} else if _, ok := errors.AsType[*CorruptError](err); !ok {
		t.Error(err)
	}
	lost := uint64(0)
	out = &memory{}
	sealed, err := s.Seal(t.Context(), out, testID, []*Reader{r}, func(c *CorruptError) error {
		lost += c.Rows
		return nil
	})
	if err != nil || sealed.Rows+lost != countRows(batches) || lost == 0 {
		t.Errorf("%d rows, %d lost: %v", sealed.Rows, lost, err)
	}
	refuse := errors.New("refused")
	if _, err := s.Seal(t.Context(), &memory{}, testID, []*Reader{r}, func(*CorruptError) error { return refuse }); !errors.Is(err, refuse) {
		t.Error(err)
	}
}

func TestSealIsCancelled(t *testing.T) {
	file, _, _ := small(t, false)
	s, err := NewSealer()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := &memory{}
	if _, err := s.Seal(ctx, out, testID, []*Reader{opened(t, file, Options{})}, nil); !errors.Is(err, context.Canceled) || !out.closed {
		t.Errorf("%v, closed %v", err, out.closed)
	}
}
