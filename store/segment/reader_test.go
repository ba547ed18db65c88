package segment

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"probetape/schemas"
)

// scanned is what a scan yields: its rows, and what it could not read.
func scanned(t testing.TB, r *Reader, q *schemas.Query) (rows []row, damage []*CorruptError) {
	t.Helper()
	var s Scanner
	for b, err := range s.Scan(context.Background(), r, q) {
		if corrupt, ok := errors.AsType[*CorruptError](err); ok {
			damage = append(damage, corrupt)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, rowsOf(b)...)
	}
	return rows, damage
}

func whole(t *testing.T, r *Reader, q *schemas.Query) []row {
	t.Helper()
	rows, damage := scanned(t, r, q)
	if len(damage) > 0 {
		t.Fatal(damage[0])
	}
	return rows
}

func sealedFrom(t *testing.T, file []byte) []byte {
	t.Helper()
	s, err := NewSealer()
	if err != nil {
		t.Fatal(err)
	}
	sealed := &memory{}
	if _, err := s.Seal(context.Background(), sealed, testID, []*Reader{opened(t, file, Options{})}, nil); err != nil {
		t.Fatal(err)
	}
	return sealed.b
}

func TestRoundTrip(t *testing.T) {
	for _, call := range []bool{false, true} {
		table := everyTable(call)
		f, w, rows := written(t, rand.New(rand.NewPCG(7, 8)), table, 1, 7, 0, 8, 63, 64, 65, 1000, 5000, 2)
		r := opened(t, f.b, Options{ID: testID, Table: table, Sites: 300, Rows: uint64(len(rows))})
		sameRows(t, whole(t, r, allColumns(table)), rows)
		verified(t, r, w.Segment())

		if err := w.Finish(); err != nil {
			t.Fatal(err)
		}
		want := w.Segment()
		want.Sealed = true
		r = opened(t, f.b, Options{Sealed: true})
		if diff := cmp.Diff(table, r.Table()); diff != "" {
			t.Error(diff)
		}
		if r.ID() != testID {
			t.Error(r.ID())
		}
		sameRows(t, whole(t, r, allColumns(table)), rows)
		verified(t, r, want)

		sealed := sealedFrom(t, f.b)
		want.Batches, want.Bytes = 1, uint64(len(sealed))
		sortRows(rows)
		r = opened(t, sealed, Options{Sealed: true})
		sameRows(t, whole(t, r, allColumns(table)), rows)
		verified(t, r, want)
	}
}

// verified holds a segment to be sound and to have the facts that its writer told.
func verified(t *testing.T, r *Reader, want schemas.Segment) {
	t.Helper()
	var s Scanner
	got, damage, err := s.Verify(context.Background(), r)
	if err != nil || len(damage) > 0 {
		t.Fatal(damage, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got, damage, err = r.Summarize(context.Background())
	if err != nil || len(damage) > 0 {
		t.Fatal(damage, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestFacts compares a segment's facts with a count of its own.
func TestFacts(t *testing.T) {
	table := everyTable(true)
	_, w, rows := written(t, rand.New(rand.NewPCG(9, 10)), table, 100, 1, 900)
	want := schemas.Segment{ID: 7, Table: 2, Rows: 1001, Batches: 3, Bytes: uint64(w.Bytes()), MinTime: rows[0].time}
	sites := map[schemas.SiteID]schemas.SiteCount{}
	for _, r := range rows {
		want.MinTime, want.MaxTime = min(want.MinTime, r.time), max(want.MaxTime, r.time)
		want.MaxEnd = max(want.MaxEnd, r.time+r.duration)
		c := sites[r.site]
		c.Site = r.site
		c.Rows++
		if r.errno != 0 {
			c.Errors++
		}
		if r.end == schemas.EndRunning {
			want.Running++
		}
		sites[r.site] = c
	}
	for i := range schemas.SiteID(300) {
		if c, ok := sites[i]; ok {
			want.Sites = append(want.Sites, c)
		}
	}
	if diff := cmp.Diff(want, w.Segment()); diff != "" {
		t.Error(diff)
	}
}

// TestProjection reads every single column, some pairs and none, and finds just those values.
func TestProjection(t *testing.T) {
	table := everyTable(true)
	f, _, rows := written(t, rand.New(rand.NewPCG(11, 12)), table, 700, 100)
	for _, file := range [][]byte{f.b, sealedFrom(t, f.b)} {
		r := opened(t, file, Options{})
		all := whole(t, r, allColumns(table))
		for base := schemas.ColTime; base <= schemas.ColErrno; base <<= 1 {
			for i, got := range whole(t, r, &schemas.Query{Base: base}) {
				want := row{values: got.values}
				switch base {
				case schemas.ColTime:
					want.time = all[i].time
				case schemas.ColCPU:
					want.cpu = all[i].cpu
				case schemas.ColTask:
					want.task = all[i].task
				case schemas.ColSite:
					want.site = all[i].site
				case schemas.ColDuration:
					want.duration = all[i].duration
				case schemas.ColEnd:
					want.end = all[i].end
				case schemas.ColErrno:
					want.errno = all[i].errno
				}
				if got != want {
					t.Fatalf("base %b row %d: %v, want %v", base, i, got, want)
				}
			}
		}
		for j, f := range table.Fields {
			for _, other := range []int{j, (j + 5) % len(table.Fields)} {
				q := &schemas.Query{Fields: []string{f.Name, table.Fields[other].Name, "no such field"}}
				for i, got := range whole(t, r, q) {
					if want := onlyValues(all[i].values, j, other); got.values != want || got.time != 0 {
						t.Fatalf("fields %d and %d, row %d: %v, want %v", j, other, i, got.values, want)
					}
				}
			}
		}
		var s Scanner
		n := 0
		for b, err := range s.Scan(context.Background(), r, &schemas.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			if b.Time != nil || b.CPU != nil || b.Site != nil || b.Task != nil || b.Duration != nil || b.End != nil || b.Errno != nil || b.Table != r.Table() {
				t.Error("columns that were not asked for")
			}
			n += b.Len
		}
		if n != len(rows) {
			t.Errorf("%d rows, want %d", n, len(rows))
		}
	}
}

func onlyValues(values string, keep ...int) string {
	out := ""
	for j, v := range bytes.Split([]byte(values), []byte("|")) {
		if slices.Contains(keep, j) {
			out += string(v)
		}
		out += "|"
	}
	return out[:len(out)-1]
}

func TestSelects(t *testing.T) {
	sites := []schemas.SiteCount{{Site: 3, Rows: 1}, {Site: 8, Rows: 1}}
	for _, c := range []struct {
		q       schemas.Query
		running uint64
		want    bool
	}{
		{q: schemas.Query{}, want: true},
		{q: schemas.Query{From: 100}, want: true},
		{q: schemas.Query{From: 200}, want: true},
		{q: schemas.Query{From: 201}, want: false},
		{q: schemas.Query{From: 201}, running: 1, want: true},
		{q: schemas.Query{To: 100}, running: 1, want: false},
		{q: schemas.Query{To: 101}, want: true},
		{q: schemas.Query{Sites: []schemas.SiteID{8, 1}}, want: true},
		{q: schemas.Query{Sites: []schemas.SiteID{4}}, want: false},
		{q: schemas.Query{Sites: []schemas.SiteID{}}, want: false},
	} {
		if got := Selects(&c.q, 100, 200, c.running, sites); got != c.want {
			t.Errorf("%+v with %d running: %v", c.q, c.running, got)
		}
	}
}

// TestSelection reads a window: no batch that has rows in it is missing, and the columns of the others are not read.
func TestSelection(t *testing.T) {
	table := syscallsTable()
	f := &memory{}
	w, err := NewWriter(f, testID, table, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := newTraffic()
	var b schemas.Batch
	var rows []row
	for range 50 {
		g.fill(&b, table, 100)
		if err := w.Append(&b); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, rowsOf(&b)...)
	}
	all := allColumns(table)
	for _, window := range [][2]int{{0, 100}, {1234, 1235}, {4000, 4999}, {99, 101}} {
		q := *all
		q.From, q.To = rows[window[0]].time, rows[window[1]].time
		if q.To == q.From {
			q.To++
		}
		in := func(r row) bool { return r.time < q.To && r.time+r.duration >= q.From }
		got := slices.DeleteFunc(whole(t, opened(t, f.b, Options{}), &q), func(r row) bool { return !in(r) })
		want := slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return !in(r) })
		sameRows(t, got, want)
	}
	counting := &countingReader{b: f.b}
	r, err := Open(counting, int64(len(f.b)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	q := *all
	q.From, q.To = 1, 2
	counting.n = 0
	if got := whole(t, r, &q); len(got) != 0 {
		t.Errorf("%d rows before the beginning", len(got))
	}
	q = schemas.Query{Base: schemas.ColCPU, From: rows[4900].time, To: rows[4901].time}
	before := counting.n
	if got := whole(t, r, &q); len(got) == 0 || len(got) > 1000 {
		t.Errorf("%d rows", len(got))
	}
	if read := counting.n - before; read > len(f.b)*11/10 {
		t.Errorf("%d bytes read of %d", read, len(f.b))
	}
}

type countingReader struct {
	b []byte
	n int
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	c.n += len(p)
	return bytes.NewReader(c.b).ReadAt(p, off)
}

func TestForeignSegments(t *testing.T) {
	table := everyTable(true)
	f, _, _ := written(t, rand.New(rand.NewPCG(7, 8)), table, 10)
	other := everyTable(true)
	other.Fields[2].Name = "renamed"
	for _, opt := range []Options{
		{ID: Identity{"c0ffee", 8}},
		{ID: Identity{"decaf", 7}},
		{Table: everyTable(false)},
		{Table: other},
		{ID: testID, Table: other},
	} {
		if _, err := Open(bytes.NewReader(f.b), int64(len(f.b)), opt); !errors.Is(err, ErrForeign) {
			t.Errorf("%+v: %v", opt, err)
		}
	}
}

func TestNewerFormats(t *testing.T) {
	table := everyTable(true)
	f, _, rows := written(t, rand.New(rand.NewPCG(7, 8)), table, 10)
	if _, err := Open(bytes.NewReader(refresh(f.b, "1.0", "2.0")), int64(len(f.b)), Options{ID: testID, Table: table}); err == nil {
		t.Error("a newer major format is read")
	} else if v, ok := errors.AsType[*VersionError](err); !ok || v.Major != 2 {
		t.Error(err)
	}
	sameRows(t, whole(t, opened(t, refresh(f.b, "1.0", "1.9"), Options{}), allColumns(table)), rows)
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	table := everyTable(true)
	f, err := Create(root, "a.arrows")
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWriter(f, testID, table, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b schemas.Batch
	random(rand.New(rand.NewPCG(1, 2)), &b, table, 100)
	if err := errors.Join(w.Append(&b), w.Sync(), w.Finish()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "a.arrows"))
	if err != nil || info.Mode() != 0o600 || info.Size() != w.Bytes() {
		t.Errorf("%v %v", info, err)
	}
	file, err := OpenFile(root, "a.arrows")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := Open(file, w.Bytes(), Options{Sealed: true})
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, whole(t, r, allColumns(table)), rowsOf(&b))

	if _, err := Create(root, "a.arrows"); !errors.Is(err, os.ErrExist) {
		t.Errorf("creating what exists: %v", err)
	}
	for _, name := range []string{"link", "dangling", "out"} {
		target := map[string]string{"link": "a.arrows", "dangling": "nothing", "out": "/etc/passwd"}[name]
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if f, err := Create(root, name); err == nil {
			t.Errorf("%s: created %v", name, f)
		}
		if f, err := OpenFile(root, name); err == nil {
			t.Errorf("%s: opened %v", name, f.Name())
		}
	}
	if f, err := OpenFile(root, "."); err == nil {
		t.Errorf("a folder: opened %v", f.Name())
	}
}
