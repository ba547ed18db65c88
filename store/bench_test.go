package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"probetape/schemas"
)

// syscallBatch makes a batch of rows like those of a busy program: a few calls, small numbers, addresses near each other.
func syscallBatch(r *rand.Rand, table *schemas.Table, n int, now *int64) *schemas.Batch {
	b := &schemas.Batch{}
	b.Reset(table)
	stack := int64(0x7ffc_8000_0000)
	for range n {
		*now += int64(200 + r.IntN(2000))
		site := r.IntN(10)
		site = min(site, sitesOfCall-1)
		b.Time, b.CPU, b.Task, b.Site = append(b.Time, *now), append(b.CPU, uint16(r.IntN(4))), append(b.Task, schemas.TaskID(r.IntN(20))), append(b.Site, schemas.SiteID(site))
		errno, ret := uint16(0), int64(r.IntN(4096))
		if r.IntN(20) == 0 {
			errno, ret = 11, -11
		}
		b.Duration, b.End, b.Errno = append(b.Duration, int64(300+r.IntN(5000))), append(b.End, schemas.EndReturned), append(b.Errno, errno)
		for c, v := range []int64{int64(r.IntN(64)), stack + int64(r.IntN(4096)*8), int64(r.IntN(8) * 512), int64(r.IntN(3)), 0, stack, ret} {
			b.Columns[c].Ints = append(b.Columns[c].Ints, v)
		}
		b.Len++
	}
	return b
}

// BenchmarkRecord writes system calls (six arguments and a result) in batches of 500, as the decoder makes them, with a flush for each million rows,
// and reports events per second from the first Append to the end of Close, sealing excluded, and the bytes on disk.
func BenchmarkRecord(b *testing.B) {
	tables := testTables()
	r := rand.New(rand.NewPCG(1, 2))
	now := int64(1e12)
	var batches []*schemas.Batch
	for range 200 {
		batches = append(batches, syscallBatch(r, &tables[tableCall], 500, &now))
	}
	for _, budget := range []time.Duration{-1, time.Hour} {
		name := "unsealed"
		if budget > 0 {
			name = "sealed"
		}
		b.Run(name, func(b *testing.B) {
			w, path := create(b, CreateOptions{SealBudget: budget})
			load := &workload{}
			rows := 0
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; rows < b.N; i++ {
				if err := w.Append(batches[i%len(batches)]); err != nil {
					b.Fatal(err)
				}
				if rows += 500; rows%1_000_000 == 0 {
					if err := flush(w, load); err != nil {
						b.Fatal(err)
					}
				}
			}
			if err := errors.Join(w.Flush(), w.wait()); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds()/1e6, "Mevents/s")
			if err := finish(w, load); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(w.Bytes())/float64(rows), "bytes/event")
			began := time.Now()
			reader, err := Open(path)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(time.Since(began).Microseconds()), "µs/open")
			if err := reader.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkAppend is what Append costs the recorder's read loop, apart from waiting for the disk.
func BenchmarkAppend(b *testing.B) {
	tables := testTables()
	now := int64(1e12)
	batch := syscallBatch(rand.New(rand.NewPCG(1, 2)), &tables[tableCall], 500, &now)
	var buffer schemas.Batch
	buffer.Reset(&tables[tableCall])
	w, _ := create(b, CreateOptions{})
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += 500 {
		if err := w.check(batch); err != nil {
			b.Fatal(err)
		}
		if buffer.Len > 60000 {
			buffer.Reset(&tables[tableCall])
		}
		buffer.Append(batch)
	}
}

// BenchmarkReplay reads back all columns of system calls.
func BenchmarkReplay(b *testing.B) {
	tables := testTables()
	r := rand.New(rand.NewPCG(1, 2))
	now := int64(1e12)
	w, path := create(b, CreateOptions{SealBudget: time.Hour})
	const rows = 4_000_000
	for range rows / 500 {
		if err := w.Append(syscallBatch(r, &tables[tableCall], 500, &now)); err != nil {
			b.Fatal(err)
		}
	}
	if err := finish(w, &workload{}); err != nil {
		b.Fatal(err)
	}
	reader := open(b, path)
	for name, q := range map[string]schemas.Query{
		"all columns":          everything(reader.Tables()),
		"time, site, duration": {Base: schemas.ColTime | schemas.ColSite | schemas.ColDuration},
		"a moment":             {Base: schemas.ColTime, From: (1e12 + now) / 2, To: (1e12+now)/2 + 1},
	} {
		b.Run(name, func(b *testing.B) {
			n := 0
			for range b.N {
				for _, part := range reader.Parts(b.Context(), q) {
					for batch, err := range part {
						if err != nil {
							b.Fatal(err)
						}
						n += batch.Len
					}
				}
			}
			b.ReportMetric(float64(n)/float64(b.N), "rows")
			b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mevents/s")
		})
	}
}

// BenchmarkOpen opens captures of many segments.
func BenchmarkOpen(b *testing.B) {
	for _, segments := range []int{10, 1000} {
		b.Run(fmt.Sprint(segments), func(b *testing.B) {
			w, path := create(b, CreateOptions{SegmentBytes: 1, SealBudget: -1})
			load := newWorkload()
			for range segments {
				if err := errors.Join(appendRows(w, load, 50), flush(w, load)); err != nil {
					b.Fatal(err)
				}
			}
			if err := finish(w, load); err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			for range b.N {
				r, err := Open(path)
				if err == nil {
					err = r.Close()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestMemory holds that neither writing nor reading needs more memory for a recording ten times as long.
func TestMemory(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	tables := testTables()
	now := int64(1e12)
	batch := syscallBatch(rand.New(rand.NewPCG(1, 2)), &tables[tableCall], 500, &now)
	measure := func(millions int) (writing, reading uint64) {
		w, path := create(t, CreateOptions{SealBudget: -1})
		before := heap()
		for i := range millions * 2000 {
			if err := w.Append(batch); err != nil {
				t.Fatal(err)
			}
			if i%500 == 0 {
				if err := flush(w, &workload{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		writing = heap() - min(before, heap())
		if err := finish(w, &workload{}); err != nil {
			t.Fatal(err)
		}
		r := open(t, path)
		before = heap()
		rows := 0
		for _, part := range r.Parts(t.Context(), everything(tables)) {
			for b, err := range part {
				if err != nil {
					t.Fatal(err)
				}
				rows += b.Len
			}
			reading = max(reading, heap()-min(before, heap()))
		}
		if rows != millions*1_000_000 {
			t.Errorf("%d rows", rows)
		}
		return writing, reading
	}
	shortWriting, shortReading := measure(1)
	longWriting, longReading := measure(10)
	t.Logf("writing: %d KiB, and %d KiB for ten times as much; reading: %d KiB and %d KiB", shortWriting>>10, longWriting>>10, shortReading>>10, longReading>>10)
	const slack = 16 << 20
	if longWriting > shortWriting+slack || longReading > shortReading+slack {
		t.Error("memory grows with the recording")
	}
}
