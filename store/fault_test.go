package store

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"probetape/schemas"
	"probetape/store/catalog"
	"probetape/store/catalog/catalogtest"
	"probetape/store/segment"
)

// faults counts what a writer does to the disk, and makes some of it fail.
type faults struct {
	ops  atomic.Int64
	hit  atomic.Int64
	fail func(n int64, op string) error // n counts from 1
}

func (f *faults) op(op string) error {
	if f.fail == nil {
		f.ops.Add(1)
		return nil
	}
	if err := f.fail(f.ops.Add(1), op); err != nil {
		f.hit.Add(1)
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// faultyDisk, faultyFile and faultyCatalogue are in front of the real ones.
type faultyDisk struct {
	disk
	faults *faults
}

func (d faultyDisk) create(name string) (segment.File, error) {
	if err := d.faults.op("create"); err != nil {
		return nil, err
	}
	f, err := d.disk.create(name)
	if err != nil {
		return nil, err
	}
	return faultyFile{f, d.faults}, nil
}

func (d faultyDisk) open(name string) (readFile, error) {
	if err := d.faults.op("open"); err != nil {
		return nil, err
	}
	return d.disk.open(name)
}

func (d faultyDisk) truncate(name string, size int64) error {
	if err := d.faults.op("cut"); err != nil {
		return err
	}
	return d.disk.truncate(name, size)
}

func (d faultyDisk) remove(name string) error {
	if err := d.faults.op("remove"); err != nil {
		return err
	}
	return d.disk.remove(name)
}

func (d faultyDisk) sync() error {
	if err := d.faults.op("sync folders"); err != nil {
		return err
	}
	return d.disk.sync()
}

type faultyFile struct {
	segment.File
	faults *faults
}

// WriteAt fails halfway, as a write does that meets the end of the disk.
func (f faultyFile) WriteAt(b []byte, at int64) (int, error) {
	if err := f.faults.op("write"); err != nil {
		n, writeErr := f.File.WriteAt(b[:len(b)/2], at)
		if errors.Is(err, io.ErrShortWrite) {
			return n, writeErr // no error of its own
		}
		return n, errors.Join(err, writeErr)
	}
	return f.File.WriteAt(b, at)
}

func (f faultyFile) Sync() error {
	if err := f.faults.op("sync"); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f faultyFile) Truncate(size int64) error {
	if err := f.faults.op("truncate"); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

type faultyCatalogue struct {
	catalogue
	faults *faults
}

func (c faultyCatalogue) Commit(changes ...*catalog.Changes) error {
	if err := c.faults.op("commit"); err != nil {
		return err
	}
	return c.catalogue.Commit(changes...)
}

// createFaulty makes a capture on a disk that fails.
func createFaulty(t testing.TB, opts CreateOptions, f *faults) (*Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.tape")
	opts.Tables, opts.Sites = testTables(), testSites()
	d, err := makeFolder(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	db, err := catalog.Create(d.openCatalog)
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWriter(faultyDisk{d, f}, db, &opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.describe(), w.SetManifest(testManifest())); err != nil {
		t.Fatal(err)
	}
	w.flusher.catalog = faultyCatalogue{db, f}
	w.start()
	return w, path
}

// recordFaulty does what a recorder does: it ends the recording at the first error, and counts what was not taken as lost. It returns the errors that
// it met and the rows that it lost itself.
func recordFaulty(w *Writer, load *workload, flushes int) ([]error, [siteCount]uint64) {
	var errs []error
	var refused [siteCount]uint64
	totals := func() []schemas.SiteTotals {
		all := make([]schemas.SiteTotals, siteCount)
		for i := range all {
			all[i] = schemas.SiteTotals{Site: schemas.SiteID(i), Attempted: load.seen[i], Seen: load.seen[i] - refused[i], Lost: refused[i], Missed: -1}
		}
		return all
	}
	m := testManifest()
	for range flushes {
		for _, b := range load.rows(600) {
			if err := w.Append(b); err != nil {
				errs = append(errs, err)
				for _, site := range b.Site[:b.Len] {
					refused[site]++
				}
			}
		}
		m.Flushed = rowTime(load.next)
		if err := errors.Join(w.SetTotals(totals()), w.SetManifest(m)); err != nil {
			return append(errs, err), refused
		}
		if err := w.Flush(); err != nil {
			errs = append(errs, err)
		}
		if len(errs) > 0 {
			break
		}
	}
	m.Ended, m.End, m.EndReason = true, m.Flushed, "duration"
	if len(errs) > 0 {
		m.EndReason = "error: " + errs[0].Error()
	}
	for _, err := range []error{w.SetTotals(totals()), w.SetManifest(m), w.Flush(), w.Close()} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs, refused
}

// checkFaulty holds a capture whose recording met faults against the workload: seen and lost are what is there and what is not.
func checkFaulty(t *testing.T, path string, load *workload, refused [siteCount]uint64) (ended bool, lost uint64) {
	t.Helper()
	catalogtest.Check(t, filepath.Join(path, catalogFile))
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	have, sites, err := readRows(r)
	if err != nil {
		t.Fatal(err)
	}
	if sites != counted(r) || len(r.Damage()) > 0 {
		t.Errorf("sites have %d rows, the segments say %d; damage %v", sites, counted(r), r.Damage())
	}
	if !r.Manifest().Ended {
		// The catalogue could not be written at the end. What was committed is the first so many rows.
		checkTail(t, r)
		want := uint64(r.Manifest().Flushed-1000) / 3
		if n, _ := prefix(have); n < want && r.Manifest().Flushed > 0 {
			t.Errorf("rows up to %d, the manifest says %d", n, want)
		}
		return false, 0
	}
	var told [siteCount]uint64
	for _, l := range r.Losses() {
		if l.Reason != schemas.LossStore || l.From >= l.To {
			t.Errorf("loss %+v", l)
		}
		told[l.Site] += l.Count
	}
	for i, total := range r.Totals() {
		lost += total.Lost
		if total.Seen != sites[i] || total.Seen+total.Lost != total.Attempted || total.Attempted != load.seen[i] || total.Lost != told[i]+refused[i] {
			t.Errorf("site %d: %d rows, %d lost and %d refused: totals %+v", i, sites[i], told[i], refused[i], total)
		}
	}
	if uint64(len(have))+lost != load.next {
		t.Errorf("%d rows and %d lost, of %d", len(have), lost, load.next)
	}
	if told != [siteCount]uint64{} && len(r.Log()) == 0 {
		t.Error("rows were lost, and the log does not say why")
	}
	return true, lost
}

// TestFaults makes each operation fail in turn, once or from then on.
func TestFaults(t *testing.T) {
	const flushes = 6
	opts := CreateOptions{SegmentBytes: 30 << 10, SealBudget: -1}
	counting := &faults{}
	w, path := createFaulty(t, opts, counting)
	load := newWorkload()
	if errs, _ := recordFaulty(w, load, flushes); len(errs) > 0 {
		t.Fatal(errs)
	}
	if ended, lost := checkFaulty(t, path, load, [siteCount]uint64{}); !ended || lost > 0 {
		t.Fatalf("without faults: ended %t, %d lost", ended, lost)
	}
	total := counting.ops.Load()
	if total < 40 {
		t.Fatalf("only %d operations", total)
	}
	kinds, costly := map[string]int{}, map[string]int{}
	for _, fault := range []struct {
		name   string
		err    error
		always bool
	}{
		{"an I/O error", syscall.EIO, false},
		{"a short write", io.ErrShortWrite, false},
		{"a full disk", syscall.ENOSPC, true},
	} {
		t.Run(fault.name, func(t *testing.T) {
			for at := int64(1); at <= total; at++ {
				var op string
				f := &faults{fail: func(n int64, o string) error {
					if n < at || !fault.always && n > at || fault.err == io.ErrShortWrite && o != "write" {
						return nil
					}
					if n == at {
						op = o
					}
					return fault.err
				}}
				w, path := createFaulty(t, opts, f)
				load := newWorkload()
				errs, refused := recordFaulty(w, load, flushes)
				if f.hit.Load() == 0 {
					continue
				}
				kinds[op]++
				var write *WriteError
				if err := errors.Join(errs...); !errors.Is(err, fault.err) || !errors.As(err, &write) {
					t.Errorf("operation %d (%s): the errors are %v", at, op, errs)
				}
				ended, lost := checkFaulty(t, path, load, refused)
				if !ended && !fault.always && op != "commit" {
					t.Errorf("operation %d (%s): the end was not written", at, op)
				}
				if lost > 0 {
					costly[op]++
				}
				if t.Failed() {
					t.Fatalf("at operation %d of %d (%s)", at, total, op)
				}
			}
		})
	}
	t.Logf("%d operations: %v; with loss: %v", total, kinds, costly)
	for _, op := range []string{"create", "write", "sync", "sync folders", "truncate", "commit"} {
		if kinds[op] == 0 || costly[op] == 0 && op != "truncate" && op != "commit" {
			t.Errorf("%d times a %s failed, and %d times that cost rows", kinds[op], op, costly[op])
		}
	}
}

// TestFaultsOfSealing makes operations fail while segments are being sealed: no row may be lost, and the recording does not notice.
func TestFaultsOfSealing(t *testing.T) {
	hits := 0
	for at := int64(1); at <= 60; at++ {
		f := &faults{}
		sealing := int64(0)
		f.fail = func(int64, string) error { return nil }
		w, path := createFaulty(t, CreateOptions{SegmentBytes: 30 << 10, SealBudget: time.Minute}, &faults{})
		// Only the sealer's disk fails.
		w.flusher.sealer.disk = faultyDisk{w.flusher.disk, f}
		f.fail = func(int64, string) error {
			if sealing++; sealing == at {
				return syscall.ENOSPC
			}
			return nil
		}
		load := newWorkload()
		errs, _ := recordFaulty(w, load, 6)
		if len(errs) > 0 {
			t.Fatalf("operation %d: %v", at, errs)
		}
		if ended, lost := checkFaulty(t, path, load, [siteCount]uint64{}); !ended || lost > 0 {
			t.Errorf("operation %d: ended %t, %d lost", at, ended, lost)
		}
		if f.hit.Load() == 0 {
			break
		}
		hits++
		r := open(t, path)
		if len(r.Log()) == 0 {
			t.Errorf("operation %d failed, and the log does not say so", at)
		}
		known := map[string]bool{catalogFile: true}
		for _, g := range r.Segments() {
			known[g.File] = true
		}
		for _, name := range filesOf(t, path) {
			if !known[name] {
				t.Errorf("operation %d failed, and left %s behind", at, name)
			}
		}
	}
	if hits < 20 {
		t.Errorf("only %d operations failed", hits)
	}
}
