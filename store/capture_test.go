package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"probetape/schemas"
	"probetape/store/catalog/catalogtest"
)

// The captures of these tests have a call table like that of system calls, a point table with text, and a quiet table.
const (
	tableCall = iota
	tableText
	tableQuiet
	tableCount
)

const (
	sitesOfCall = 5
	siteText    = sitesOfCall
	siteQuiet   = siteText + 1
	siteCount   = siteQuiet + 1
)

const testID = "00112233445566778899aabbccddeeff"

func testTables() []schemas.Table {
	call := schemas.Table{ID: tableCall, Name: "syscall", Call: true, Source: "syscall:*"}
	for i := range 6 {
		call.Fields = append(call.Fields, schemas.Field{Name: fmt.Sprint("arg", i), Type: schemas.TypeU64, Display: schemas.DisplayHex})
	}
	call.Fields = append(call.Fields, schemas.Field{Name: "retval", Type: schemas.TypeI64, AtExit: true})
	return []schemas.Table{
		call,
		{ID: tableText, Name: "tracepoint:sched:sched_switch", Fields: []schemas.Field{
			{Name: "comm", Type: schemas.TypeString, MaxLen: 16}, {Name: "prio", Type: schemas.TypeI32}, {Name: "raw", Type: schemas.TypeBytes, MaxLen: 8},
		}},
		{ID: tableQuiet, Name: "quiet"},
	}
}

func testSites() []schemas.Site {
	var sites []schemas.Site
	for i := range sitesOfCall {
		sites = append(sites, schemas.Site{ID: schemas.SiteID(i), Table: tableCall, Kind: schemas.KindSyscall, Name: fmt.Sprint("call", i), ABI: schemas.ABIx8664, Number: int32(i)})
	}
	return append(sites,
		schemas.Site{ID: siteText, Table: tableText, Kind: schemas.KindTracepoint, Category: "sched", Name: "sched_switch"},
		schemas.Site{ID: siteQuiet, Table: tableQuiet, Kind: schemas.KindUprobe, Name: "malloc", Module: "/usr/lib/libc.so.6"})
}

func testManifest() schemas.Manifest {
	return schemas.Manifest{
		Major: schemas.FormatMajor, Minor: schemas.FormatMinor, ID: testID, Start: 1, FlushNS: 1e9, Command: []string{"probetape"}, Probes: "syscall:*",
		Host: schemas.Host{Name: "host", Kernel: "6.18", Machine: "x86_64", CPUs: 4, PageSize: 4096, ByteOrder: "little"},
	}
}

// workload makes rows that are numbered: whoever reads them can say whether they are the first so many. Row n of all belongs to the text
// table where n is divisible by 10, to the quiet one where n is 9 more than a multiple of 1000, else to the call table.
type workload struct {
	tables  []schemas.Table
	next    uint64
	batches [tableCount]schemas.Batch
	seen    [siteCount]uint64 // rows by site
}

func newWorkload() *workload { return &workload{tables: testTables()} }

func mix(n uint64) uint64 {
	n ^= n >> 31
	n *= 0x9e3779b97f4a7c15
	return n ^ n>>29
}

func rowTable(n uint64) int {
	switch {
	case n%10 == 0:
		return tableText
	case n%1000 == 9:
		return tableQuiet
	}
	return tableCall
}

func rowSite(n uint64) schemas.SiteID {
	switch rowTable(n) {
	case tableText:
		return siteText
	case tableQuiet:
		return siteQuiet
	}
	return schemas.SiteID(mix(n) % sitesOfCall)
}

func rowTime(n uint64) int64 { return int64(1000 + n*3) }

func rowText(n uint64) string { return "row " + fmt.Sprint(n)[:1+mix(n)%uint64(len(fmt.Sprint(n)))] }

// rows makes the next count rows, a batch for each table that has some. They are valid until the next call.
func (w *workload) rows(count int) []*schemas.Batch {
	for i := range w.batches {
		w.batches[i].Reset(&w.tables[i])
	}
	for c := range w.batches[tableText].Columns {
		if w.tables[tableText].Fields[c].Type.Text() {
			w.batches[tableText].Columns[c].Offs = append(w.batches[tableText].Columns[c].Offs, 0)
		}
	}
	for range count {
		n := w.next
		w.next++
		b := &w.batches[rowTable(n)]
		i := b.Len
		b.Time, b.CPU, b.Task, b.Site = append(b.Time, rowTime(n)), append(b.CPU, uint16(n%4)), append(b.Task, schemas.TaskID(n%7)), append(b.Site, rowSite(n))
		w.seen[rowSite(n)]++
		switch rowTable(n) {
		case tableCall:
			b.Duration, b.End, b.Errno = append(b.Duration, int64(mix(n)%1e6)), append(b.End, schemas.EndReturned), append(b.Errno, uint16(n%50/49))
			b.Columns[0].Ints = append(b.Columns[0].Ints, int64(n))
			for c := 1; c < 7; c++ {
				b.Columns[c].Ints = append(b.Columns[c].Ints, int64(mix(n+uint64(c))>>(8*c)))
			}
			if n%20 == 1 {
				b.Columns[6].Ints[i] = 0
				b.Columns[6].Null = b.Columns[6].Null.Set(i)
			}
		case tableText:
			b.Columns[0].Data = append(b.Columns[0].Data, rowText(n)...)
			b.Columns[0].Offs = append(b.Columns[0].Offs, uint32(len(b.Columns[0].Data)))
			b.Columns[1].Ints = append(b.Columns[1].Ints, int64(int32(mix(n))))
			b.Columns[2].Data = binary.LittleEndian.AppendUint64(b.Columns[2].Data, n)
			b.Columns[2].Offs = append(b.Columns[2].Offs, uint32(len(b.Columns[2].Data)))
			if n%30 == 0 {
				b.Columns[0].Cut = b.Columns[0].Cut.Set(i)
			}
		}
		b.Len++
	}
	var all []*schemas.Batch
	for i := range w.batches {
		if w.batches[i].Len > 0 {
			all = append(all, &w.batches[i])
		}
	}
	return all
}

// totals is the ledger of what the workload has made, with some more that were lost on the way.
func (w *workload) totals() []schemas.SiteTotals {
	all := make([]schemas.SiteTotals, siteCount)
	for i := range all {
		all[i] = schemas.SiteTotals{Site: schemas.SiteID(i), Attempted: w.seen[i] + 2, Seen: w.seen[i], Lost: 2, Missed: -1}
	}
	return all
}

// number returns the number of a row, or -1 where the row is not one of the workload's.
func number(b *schemas.Batch, i int) int64 {
	n := uint64(b.Time[i]-1000) / 3
	ok := b.Time[i] == rowTime(n) && b.Table.ID == schemas.TableID(rowTable(n)) && b.Site[i] == rowSite(n) && b.CPU[i] == uint16(n%4) && b.Task[i] == schemas.TaskID(n%7)
	switch b.Table.ID {
	case tableCall:
		ok = ok && b.Duration[i] == int64(mix(n)%1e6) && b.End[i] == schemas.EndReturned && b.Errno[i] == uint16(n%50/49) && b.Columns[0].Ints[i] == int64(n)
		for c := 1; c < 6 && ok; c++ {
			ok = b.Columns[c].Ints[i] == int64(mix(n+uint64(c))>>(8*c))
		}
		ok = ok && b.Columns[6].Null.Get(i) == (n%20 == 1) && (n%20 == 1 || b.Columns[6].Ints[i] == int64(mix(n+6)>>48))
	case tableText:
		ok = ok && string(b.Columns[0].Bytes(i)) == rowText(n) && b.Columns[0].Cut.Get(i) == (n%30 == 0) &&
			b.Columns[1].Ints[i] == int64(int32(mix(n))) && binary.LittleEndian.Uint64(b.Columns[2].Bytes(i)) == n
	}
	if !ok {
		return -1
	}
	return int64(n)
}

// everything asks for all rows and columns.
func everything(tables []schemas.Table) schemas.Query {
	q := schemas.Query{Base: schemas.ColBaseAll}
	for i := range tables {
		for _, f := range tables[i].Fields {
			q.Fields = append(q.Fields, f.Name)
		}
	}
	return q
}

// readRows reads all rows of a capture and checks each. It returns which numbers are there, and how many rows each site has.
func readRows(r *Reader) (have map[uint64]bool, sites [siteCount]uint64, err error) {
	have = map[uint64]bool{}
	for _, part := range r.Parts(context.Background(), everything(r.Tables())) {
		for b, err := range part {
			if err != nil {
				return nil, sites, err
			}
			for i := range b.Len {
				n := number(b, i)
				if n < 0 {
					return nil, sites, fmt.Errorf("row %d of a batch of table %q, at %d, is not one of the workload's", i, b.Table.Name, b.Time[i])
				}
				if have[uint64(n)] {
					return nil, sites, fmt.Errorf("row %d is there twice", n)
				}
				have[uint64(n)] = true
				sites[b.Site[i]]++
			}
		}
	}
	return have, sites, nil
}

// prefix returns how many rows there are without a gap from row 0, and how many behind the first gap.
func prefix(have map[uint64]bool) (n uint64, behind int) {
	for have[n] {
		n++
	}
	return n, len(have) - int(n)
}

// counted sums up what the catalogue says of the sites' rows.
func counted(r *Reader) (sites [siteCount]uint64) {
	for _, g := range r.Segments() {
		for _, c := range g.Sites {
			sites[c.Site] += c.Rows
		}
	}
	return sites
}

// create makes a capture that is described, and has bbolt's check run over it when the test ends.
func create(t testing.TB, opts CreateOptions) (*Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.tape")
	opts.Tables, opts.Sites = testTables(), testSites()
	w, err := Create(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.SetManifest(testManifest()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil && !errors.Is(err, errClosed) {
			t.Errorf("closing: %v", err)
		}
		catalogtest.Check(t, filepath.Join(path, catalogFile))
	})
	return w, path
}

// appendRows appends the workload's next rows.
func appendRows(w *Writer, load *workload, count int) error {
	for _, b := range load.rows(count) {
		if err := w.Append(b); err != nil {
			return err
		}
	}
	return nil
}

// flush brings a capture up to date as a recorder does.
func flush(w *Writer, load *workload) error {
	m := testManifest()
	m.Flushed = rowTime(load.next)
	return errors.Join(w.SetTotals(load.totals()), w.SetManifest(m), w.Flush())
}

// finish ends a recording as a recorder does.
func finish(w *Writer, load *workload) error {
	m := testManifest()
	m.Flushed, m.End, m.Ended, m.EndReason = rowTime(load.next), rowTime(load.next), true, "duration"
	return errors.Join(w.SetTotals(load.totals()), w.SetManifest(m), w.Flush(), w.Close())
}

func open(t testing.TB, path string) *Reader {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// checkTail holds that a recording which ended badly says so.
func checkTail(t *testing.T, r *Reader) {
	t.Helper()
	tails := 0
	for _, l := range r.Losses() {
		if l.Reason == schemas.LossTail && l.From == r.Manifest().Flushed && l.To > l.From && l.Count == 0 {
			tails++
		}
	}
	if tails != 1 || r.Manifest().Ended || r.Live() {
		t.Errorf("%d losses of the tail, ended %t, live %t", tails, r.Manifest().Ended, r.Live())
	}
}
