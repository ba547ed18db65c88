package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"probetape/schemas"
)

// TestRecording writes a recording of several segments, and reads it back: every row, every count.
func TestRecording(t *testing.T) {
	for _, test := range []struct {
		name   string
		opts   CreateOptions
		sealed bool
	}{
		{"sealed", CreateOptions{SegmentBytes: 1 << 20, SealBudget: time.Minute}, true},
		{"unsealed", CreateOptions{SegmentBytes: 1 << 20, SealBudget: -1}, false},
		{"one segment for each table", CreateOptions{SealBudget: -1}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, path := create(t, test.opts)
			load := newWorkload()
			for range 40 {
				for range 10 {
					if err := appendRows(w, load, 997); err != nil {
						t.Fatal(err)
					}
				}
				if err := flush(w, load); err != nil {
					t.Fatal(err)
				}
			}
			if err := finish(w, load); err != nil {
				t.Fatal(err)
			}
			r := open(t, path)
			have, sites, err := readRows(r)
			if err != nil {
				t.Fatal(err)
			}
			if n, behind := prefix(have); n != load.next || behind != 0 {
				t.Errorf("rows up to %d and %d behind, want %d", n, behind, load.next)
			}
			if sites != load.seen || counted(r) != load.seen {
				t.Errorf("sites have %d rows, the catalogue says %d, want %d", sites, counted(r), load.seen)
			}
			if diff := cmp.Diff(load.totals(), r.Totals()); diff != "" {
				t.Errorf("totals:\n%s", diff)
			}
			if d := r.Damage(); len(d) > 0 {
				t.Errorf("damage: %v", d)
			}
			if len(r.Losses()) > 0 || r.Live() || !r.Manifest().Ended || len(r.Log()) > 0 {
				t.Errorf("losses %v, live %t, ended %t, log %v", r.Losses(), r.Live(), r.Manifest().Ended, r.Log())
			}
			if test.opts.SegmentBytes > 0 && len(r.Segments()) < 8 {
				t.Errorf("only %d segments", len(r.Segments()))
			}
			files := map[string]bool{}
			for _, g := range r.Segments() {
				if g.Sealed != test.sealed {
					t.Errorf("segment %d: sealed %t", g.ID, g.Sealed)
				}
				files[filepath.Base(g.File)] = true
				info, err := os.Stat(filepath.Join(path, g.File))
				if err != nil {
					t.Error(err)
				} else if info.Size() != int64(g.Bytes) {
					t.Errorf("segment %d has %d bytes, the catalogue says %d", g.ID, info.Size(), g.Bytes)
				}
			}
			entries, err := os.ReadDir(filepath.Join(path, eventsDir))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if !files[e.Name()] {
					t.Errorf("%s is left over", e.Name())
				}
			}
		})
	}
}

// TestSelection holds queries against a filter of all rows.
func TestSelection(t *testing.T) {
	w, path := create(t, CreateOptions{SegmentBytes: 1 << 18})
	load := newWorkload()
	for range 60 {
		if err := appendRows(w, load, 1000); err != nil {
			t.Fatal(err)
		}
		if err := flush(w, load); err != nil {
			t.Fatal(err)
		}
	}
	if err := finish(w, load); err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	for _, q := range []schemas.Query{
		{},
		{Tables: []schemas.TableID{tableText}},
		{Sites: []schemas.SiteID{siteQuiet, 2}},
		{From: rowTime(20000), To: rowTime(20100)},
		{From: rowTime(59999)},
		{To: rowTime(1)},
		{From: rowTime(70000)},
		{Tables: []schemas.TableID{}},
		{Tables: []schemas.TableID{tableQuiet}, Sites: []schemas.SiteID{siteText}},
	} {
		want := map[uint64]bool{}
		for n := range load.next {
			end := rowTime(n)
			if rowTable(n) == tableCall {
				end += int64(mix(n) % 1e6)
			}
			if (q.Tables == nil || contains(q.Tables, schemas.TableID(rowTable(n)))) && (q.Sites == nil || contains(q.Sites, rowSite(n))) &&
				end >= q.From && (q.To == 0 || rowTime(n) < q.To) {
				want[n] = true
			}
		}
		wide := everything(r.Tables())
		wide.From, wide.To, wide.Tables, wide.Sites = q.From, q.To, q.Tables, q.Sites
		got, rows := map[uint64]bool{}, 0
		for _, part := range r.Parts(t.Context(), wide) {
			for b, err := range part {
				if err != nil {
					t.Fatal(err)
				}
				rows += b.Len
				for i := range b.Len {
					n := number(b, i)
					if n < 0 {
						t.Fatalf("a row at %d is not one of the workload's", b.Time[i])
					}
					if want[uint64(n)] {
						got[uint64(n)] = true
					}
				}
			}
		}
		if len(got) != len(want) {
			t.Errorf("query %+v: %d of %d rows", q, len(got), len(want))
		}
		if len(want) == 0 && rows > 2000 {
			t.Errorf("query %+v selects nothing, and read %d rows", q, rows)
		}
	}
}

func contains[T comparable](list []T, v T) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

// TestModes holds that nobody but the owner can read a capture.
func TestModes(t *testing.T) {
	w, path := create(t, CreateOptions{SegmentBytes: 1, SealBudget: time.Minute})
	load := newWorkload()
	for range 3 {
		if err := appendRows(w, load, 100); err != nil {
			t.Fatal(err)
		}
		if err := flush(w, load); err != nil {
			t.Fatal(err)
		}
	}
	if err := finish(w, load); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.Walk(path, func(name string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		want := os.FileMode(0o600)
		if info.IsDir() {
			want = os.ModeDir | 0o700
		} else {
			files++
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return nil
	})
	if err != nil || files < 5 {
		t.Errorf("%d files: %v", files, err)
	}
}

// TestAppendRefuses holds that rows which the reader would refuse are not taken.
func TestAppendRefuses(t *testing.T) {
	w, path := create(t, CreateOptions{})
	load := newWorkload()
	b := load.rows(100)[0]
	for _, test := range []struct {
		name  string
		spoil func(b *schemas.Batch)
		want  string
	}{
		{"no table", func(b *schemas.Batch) { b.Table = nil }, "does not have"},
		{"another table", func(b *schemas.Batch) { b.Table = &schemas.Table{ID: 9} }, "does not have"},
		{"a short column", func(b *schemas.Batch) { b.Columns[0].Ints = b.Columns[0].Ints[:b.Len-1] }, "too short"},
		{"a missing column", func(b *schemas.Batch) { b.Columns = b.Columns[:2] }, "too short"},
		{"a site of another table", func(b *schemas.Batch) { b.Site = append([]schemas.SiteID{siteText}, b.Site...) }, "not one of its"},
		{"a site that is not there", func(b *schemas.Batch) { b.Site = append([]schemas.SiteID{1000}, b.Site...) }, "not one of its"},
	} {
		spoiled := *b
		spoiled.Columns = append([]schemas.Column(nil), b.Columns...)
		test.spoil(&spoiled)
		if err := w.Append(&spoiled); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if err := finish(w, load); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(b); err == nil {
		t.Error("a closed capture takes rows")
	}
	if err := w.Flush(); err == nil {
		t.Error("a closed capture can be flushed")
	}
	if r := open(t, path); len(r.Segments()) != 0 {
		t.Errorf("refused rows are there: %v", r.Segments())
	}
}

// TestManifestFirst holds that a capture has an id before it has rows, and keeps it.
func TestManifestFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.tape")
	w, err := Create(path, CreateOptions{Tables: testTables(), Sites: testSites()})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(newWorkload().rows(10)[0]); err == nil {
		t.Error("rows were taken before the manifest")
	}
	m := testManifest()
	if err := w.SetManifest(m); err != nil {
		t.Error(err)
	}
	m.ID = "ff"
	if err := w.SetManifest(m); err == nil {
		t.Error("another id was taken")
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if r := open(t, path); r.Manifest().ID != testID {
		t.Errorf("id %q", r.Manifest().ID)
	}
}
