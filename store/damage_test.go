package store

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"probetape/schemas"
	"probetape/store/catalog"
)

// recorded makes a small capture. Ended or not, it is closed.
func recorded(t testing.TB, ended bool, opts CreateOptions, flushes, rows int) (string, *workload) {
	t.Helper()
	w, path := create(t, opts)
	load := newWorkload()
	for i := range flushes {
		now := int64(i) * 1000
		err := errors.Join(
			appendRows(w, load, rows), w.AddClock(schemas.ClockSample{Boot: now, Mono: now, Real: now + 1e18, Uncertainty: 50}),
			w.AddTasks([]schemas.Task{{ID: schemas.TaskID(i), PID: 7, TID: uint32(i), Names: []schemas.TaskName{{Comm: "comm", Exe: "/bin/true"}}}}),
			w.AddLog([]schemas.LogEntry{{Time: now, Level: schemas.LogInfo, Text: "flush"}}),
			w.AddLosses([]schemas.Loss{{From: now, To: now + 1000, Site: 1, Count: 1, Reason: schemas.LossBuffer}}),
			flush(w, load),
		)
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if ended {
		err = finish(w, load)
	} else {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path, load
}

// copyCapture copies a capture.
func copyCapture(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.tape")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func filesOf(t testing.TB, path string) []string {
	t.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS(path), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestTruncation cuts every file of captures at every 512 bytes. Whatever is left opens or is refused as damaged; every row that is read is
// right; and where one is missing, the capture says so.
func TestTruncation(t *testing.T) {
	for _, test := range []struct {
		name  string
		ended bool
		opts  CreateOptions
	}{
		{"ended", true, CreateOptions{SegmentBytes: 40 << 10, SealBudget: -1}},
		{"sealed", true, CreateOptions{SegmentBytes: 40 << 10, SealBudget: time.Minute}},
		{"not ended", false, CreateOptions{SegmentBytes: 40 << 10, SealBudget: -1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path, load := recorded(t, test.ended, test.opts, 5, 900)
			refused, whole, partial := 0, 0, 0
			for _, name := range filesOf(t, path) {
				data, err := os.ReadFile(filepath.Join(path, name))
				if err != nil {
					t.Fatal(err)
				}
				for size := 0; size < len(data); size += 512 {
					if err := os.Truncate(filepath.Join(path, name), int64(size)); err != nil {
						t.Fatal(err)
					}
					switch rows, err := checkDamaged(path, load, name == catalogFile); {
					case err != nil:
						t.Errorf("%s cut to %d of %d bytes: %v", name, size, len(data), err)
					case rows < 0:
						refused++
						if name != catalogFile {
							t.Errorf("%s cut to %d bytes: refused", name, size)
						}
					case uint64(rows) == load.next:
						whole++
					default:
						partial++
					}
					if err := os.WriteFile(filepath.Join(path, name), data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			t.Logf("%d cuts left all rows, %d a part, %d were refused", whole, partial, refused)
			if partial == 0 || whole == 0 {
				t.Error("the cuts show nothing")
			}
		})
	}
}

// checkDamaged opens a damaged capture and holds what it gives against the workload. It returns how many rows are left, -1 where the capture
// is refused for its damage.
func checkDamaged(path string, load *workload, catalogue bool) (int, error) {
	r, err := Open(path)
	if err != nil {
		var corrupt *CorruptError
		var notOne *NotCaptureError
		if errors.As(err, &corrupt) || errors.As(err, &notOne) {
			return -1, nil
		}
		return 0, err
	}
	have, sites, err := readRows(r)
	if err == nil {
		err = accounted(r, load, have, sites, catalogue)
	}
	_, tasksErr := r.Tasks()
	return len(have), errors.Join(err, tasksErr, r.Close())
}

// accounted holds that rows which are missing are told of.
func accounted(r *Reader, load *workload, have map[uint64]bool, sites [siteCount]uint64, catalogue bool) error {
	var lost uint64
	damaged := len(r.Damage()) > 0
	for _, d := range r.Damage() {
		lost += d.Rows
	}
	if uint64(len(have)) < load.next && !damaged {
		return errors.New("rows are missing, and no damage is told")
	}
	for n := range have {
		if n >= load.next {
			return errors.New("there is a row that was never made")
		}
	}
	if !catalogue && uint64(len(have))+lost != load.next {
		return errors.New("rows are missing, and the damage tells of other numbers")
	}
	if !catalogue && sites != counted(r) && lost == 0 {
		return errors.New("the segments' counts are wrong")
	}
	return nil
}

// TestBitFlips flips bits all over a capture. Rows that are read must be right, or the damage told.
func TestBitFlips(t *testing.T) {
	path, load := recorded(t, true, CreateOptions{SegmentBytes: 40 << 10, SealBudget: time.Minute}, 6, 1500)
	files := filesOf(t, path)
	r := rand.New(rand.NewPCG(1, 2))
	told := 0
	for range 800 {
		name := files[r.IntN(len(files))]
		at := filepath.Join(path, name)
		data, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		place, bit := r.IntN(len(data)), r.IntN(8)
		data[place] ^= 1 << bit
		if err := os.WriteFile(at, data, 0o600); err != nil {
			t.Fatal(err)
		}
		rows, err := checkDamaged(path, load, name == catalogFile)
		if err != nil {
			t.Errorf("bit %d of byte %d of %s: %v", bit, place, name, err)
		}
		if uint64(rows) != load.next {
			told++
		}
		data[place] ^= 1 << bit
		if err := os.WriteFile(at, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if told < 250 {
		t.Errorf("only %d flips cost rows", told)
	}
}

// TestMissing takes files away, one by one.
func TestMissing(t *testing.T) {
	path, load := recorded(t, true, CreateOptions{SegmentBytes: 40 << 10, SealBudget: -1}, 6, 1500)
	whole := open(t, path)
	for i, g := range whole.Segments() {
		c := copyCapture(t, path)
		if err := os.Remove(filepath.Join(c, g.File)); err != nil {
			t.Fatal(err)
		}
		r := open(t, c)
		have, sites, err := readRows(r)
		if err != nil {
			t.Fatal(err)
		}
		d := r.Damage()
		if len(d) != 1 || d[0].Segment != g.ID || d[0].File != g.File || d[0].Rows != g.Rows || d[0].From != g.MinTime || d[0].To != g.MaxEnd {
			t.Errorf("segment %d is missing: damage %+v", g.ID, d)
		}
		if uint64(len(have))+g.Rows != load.next || sites != counted(r) || r.Segments()[i].Rows != 0 {
			t.Errorf("segment %d of %d rows is missing: %d of %d rows are left, the counts say %v", g.ID, g.Rows, len(have), load.next, counted(r))
		}
	}
}

// TestMissingWhileOpen takes a segment away from a capture that is open.
func TestMissingWhileOpen(t *testing.T) {
	path, load := recorded(t, true, CreateOptions{SegmentBytes: 40 << 10, SealBudget: -1}, 6, 1500)
	r := open(t, path)
	g := r.Segments()[0]
	if err := os.Remove(filepath.Join(path, g.File)); err != nil {
		t.Fatal(err)
	}
	have, _, err := readRows(r)
	if err != nil {
		t.Fatal(err)
	}
	if d := r.Damage(); len(d) != 1 || d[0].Rows != g.Rows || uint64(len(have))+g.Rows != load.next {
		t.Errorf("%d rows of %d, damage %+v", len(have), load.next, d)
	}
}

// TestForeignSegment puts another capture's segment, another segment, and a link in a segment's place.
func TestForeignSegment(t *testing.T) {
	path, _ := recorded(t, true, CreateOptions{SegmentBytes: 40 << 10, SealBudget: -1}, 6, 1500)
	g := open(t, path).Segments()[0]
	other := open(t, path).Segments()[len(open(t, path).Segments())-1]
	for name, replace := range map[string]func(at string) error{
		"another segment": func(at string) error {
			data, err := os.ReadFile(filepath.Join(path, other.File))
			return errors.Join(err, os.WriteFile(at, append(data, make([]byte, 1<<20)...), 0o600))
		},
		"rubbish": func(at string) error { return os.WriteFile(at, make([]byte, 1<<20), 0o600) },
	} {
		c := copyCapture(t, path)
		if err := replace(filepath.Join(c, g.File)); err != nil {
			t.Fatal(err)
		}
		r := open(t, c)
		if _, _, err := readRows(r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := r.Damage(); len(d) == 0 || d[0].Segment != g.ID {
			t.Errorf("%s: damage %+v", name, d)
		}
	}
	c := copyCapture(t, path)
	at := filepath.Join(c, g.File)
	if err := errors.Join(os.Remove(at), os.Symlink("/etc/passwd", at)); err != nil {
		t.Fatal(err)
	}
	if r, err := Open(c); err == nil {
		t.Errorf("a link in a segment's place is followed: damage %v", r.Damage())
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSalvage destroys a catalogue's meta pages, its root, and the branch pages: what the leaves hold is found.
func TestSalvage(t *testing.T) {
	path, load := recorded(t, true, CreateOptions{SegmentBytes: 40 << 10, SealBudget: time.Minute}, 6, 1500)
	path = copyCapture(t, path)
	at := filepath.Join(path, catalogFile)
	data, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	const pageSize = 4096
	clear(data[:2*pageSize])
	for from := 2 * pageSize; from+pageSize <= len(data); from += pageSize {
		if data[from+8] != 2 { // not a leaf
			clear(data[from : from+pageSize])
		}
	}
	if err := os.WriteFile(at, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	have, sites, err := readRows(r)
	if err != nil {
		t.Fatal(err)
	}
	if uint64(len(have)) != load.next || sites != load.seen || counted(r) != load.seen {
		t.Errorf("%d rows of %d", len(have), load.next)
	}
	if d := r.Damage(); len(d) != 1 || d[0].File != catalog.FileName {
		t.Errorf("damage %+v", d)
	}
	tasks, err := r.Tasks()
	if err != nil || len(tasks) != 6 || tasks[3].Names[0].Exe != "/bin/true" {
		t.Errorf("tasks %+v: %v", tasks, err)
	}
	if len(r.Losses()) != 6 || len(r.Log()) != 6 || len(r.Clock()) != 6 || r.Totals()[2].Seen != load.seen[2] {
		t.Errorf("%d losses, %d lines, %d clock samples, totals %+v", len(r.Losses()), len(r.Log()), len(r.Clock()), r.Totals())
	}
}
