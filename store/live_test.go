package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"probetape/schemas"
)

// TestLive reads a capture over and over while it is being written, rotated and sealed. Each reading must be of one commit: as many rows as
// the manifest of that commit says, the first ones, and totals that agree.
func TestLive(t *testing.T) {
	w, path := create(t, CreateOptions{SegmentBytes: 100 << 10})
	load := newWorkload()
	if err := flush(w, load); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	var mu sync.Mutex
	readings, sealed, commits := 0, 0, map[int64]bool{}
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				s, flushed, err := readLive(path)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				readings++
				sealed += s
				commits[flushed] = true
				mu.Unlock()
			}
		})
	}
	var longest time.Duration
	for began := time.Now(); time.Since(began) < 3*time.Second && !t.Failed(); {
		if err := appendRows(w, load, 500); err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		if err := flush(w, load); err != nil {
			t.Fatal(err)
		}
		longest = max(longest, time.Since(at))
	}
	close(stop)
	readers.Wait()
	if err := finish(w, load); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d readings of %d commits with %d sealed segments; %d rows; the longest flush took %v", readings, len(commits), sealed, load.next, longest)
	if readings < 10 || len(commits) < 5 || sealed == 0 {
		t.Error("too little was read to show anything")
	}
}

// readLive reads a capture that is being written and holds it against the workload. It returns how many of its segments are sealed.
func readLive(path string) (sealed int, flushed int64, err error) {
	r, err := Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	flushed = r.Manifest().Flushed
	want := uint64(flushed-1000) / 3
	have, sites, err := readRows(r)
	if err != nil {
		return 0, 0, err
	}
	if n, behind := prefix(have); n != want || behind != 0 {
		return 0, 0, fmt.Errorf("rows up to %d, and %d behind, where the commit has %d", n, behind, want)
	}
	if sites != counted(r) {
		return 0, 0, fmt.Errorf("the rows of the sites are %d, the catalogue says %d", sites, counted(r))
	}
	for _, total := range r.Totals() {
		if total.Seen != sites[total.Site] {
			return 0, 0, fmt.Errorf("site %d has %d rows, its total says %d", total.Site, sites[total.Site], total.Seen)
		}
	}
	if d := r.Damage(); len(d) > 0 {
		return 0, 0, fmt.Errorf("damage: %v", d)
	}
	if !r.Live() || len(r.Losses()) > 0 {
		return 0, 0, fmt.Errorf("live %t, losses %v", r.Live(), r.Losses())
	}
	for _, g := range r.Segments() {
		if g.Sealed {
			sealed++
		}
	}
	return sealed, flushed, nil
}

// TestLiveKeepsItsRows holds that a reader of a live capture can read what it opened after the files have been replaced by sealed ones.
func TestLiveKeepsItsRows(t *testing.T) {
	w, path := create(t, CreateOptions{SegmentBytes: 40 << 10, SealBudget: time.Minute})
	load := newWorkload()
	for range 5 {
		if err := errors.Join(appendRows(w, load, 1000), flush(w, load)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	before := r.Segments()
	if err := finish(w, load); err != nil {
		t.Fatal(err)
	}
	gone := 0
	for _, g := range before {
		if _, err := os.Stat(filepath.Join(path, g.File)); err != nil {
			gone++
		}
	}
	have, _, err := readRows(r)
	if n, behind := prefix(have); err != nil || n != load.next || behind != 0 || len(r.Damage()) > 0 {
		t.Errorf("%d rows and %d behind of %d: %v, %v", n, behind, load.next, err, r.Damage())
	}
	if gone == 0 {
		t.Error("no segment was replaced: the test shows nothing")
	}
}

// TestOpenWhileSealing opens a capture whose recording has ended, and whose segments are being replaced by sealed ones.
func TestOpenWhileSealing(t *testing.T) {
	w, path := create(t, CreateOptions{SealBudget: time.Minute})
	load := newWorkload()
	m := testManifest()
	if err := errors.Join(appendRows(w, load, 5000), flush(w, load)); err != nil {
		t.Fatal(err)
	}
	m.Ended, m.End = true, rowTime(load.next)
	if err := errors.Join(w.SetManifest(m), w.Flush(), w.Flush()); err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	if r.Live() || !r.Manifest().Ended {
		t.Errorf("live %t, ended %t", r.Live(), r.Manifest().Ended)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	have, _, err := readRows(r)
	if n, behind := prefix(have); err != nil || n != load.next || behind != 0 || len(r.Damage()) > 0 {
		t.Errorf("%d rows and %d behind of %d: %v, %v", n, behind, load.next, err, r.Damage())
	}
}

// TestEmpty opens captures whose recording ended before it had begun.
func TestEmpty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "empty.tape")
	w, err := Create(path, CreateOptions{Tables: testTables(), Sites: testSites()})
	if err != nil {
		t.Fatal(err)
	}
	if r := open(t, path); !r.Live() || len(r.Tables()) != tableCount || r.Manifest().Major != schemas.FormatMajor {
		t.Errorf("before the first flush: live %t, %d tables, %+v", r.Live(), len(r.Tables()), r.Manifest())
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	if r.Live() || r.Manifest().Ended || len(r.Damage()) > 0 || len(r.Losses()) != 1 || len(r.Sites()) != siteCount {
		t.Errorf("after it: live %t, ended %t, damage %v, losses %v", r.Live(), r.Manifest().Ended, r.Damage(), r.Losses())
	}
}
