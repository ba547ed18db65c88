package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"probetape/schemas"
	"probetape/store/catalog"
)

// hinted is an error that says what to do.
type hinted interface{ Hints() []string }

func hintsOf(err error) string {
	var h hinted
	if !errors.As(err, &h) {
		return ""
	}
	return strings.Join(h.Hints(), "; ")
}

// TestCreateOverNothing holds that a capture is never made where something is, and that what is there stays.
func TestCreateOverNothing(t *testing.T) {
	opts := CreateOptions{Tables: testTables(), Sites: testSites()}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"to-folder": "empty", "to-nothing": "nothing", "to-file": "file"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	_, busy := create(t, CreateOptions{})
	for _, test := range []struct {
		path          string
		inUse, linked bool
		text          string
	}{
		{file, false, false, "it exists"},
		{empty, false, false, "it exists"},
		{filepath.Join(dir, "to-folder"), false, true, "it exists, and is a symbolic link"},
		{filepath.Join(dir, "to-nothing"), false, true, "it exists, and is a symbolic link"},
		{filepath.Join(dir, "to-file"), false, true, "it exists, and is a symbolic link"},
		{busy, true, false, "it exists, and another recording is writing it"},
	} {
		_, err := Create(test.path, opts)
		var exists *ExistsError
		if !errors.As(err, &exists) || exists.InUse != test.inUse || exists.Linked != test.linked {
			t.Errorf("creating %s: %v", test.path, err)
			continue
		}
		if want := `creating capture "` + test.path + `": ` + test.text; err.Error() != want || hintsOf(err) == "" {
			t.Errorf("creating %s: %v (%s), want %s", test.path, err, hintsOf(err), want)
		}
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "mine" {
		t.Errorf("the file holds %q: %v", data, err)
	}
	if entries, err := os.ReadDir(empty); err != nil || len(entries) != 0 {
		t.Errorf("the empty folder holds %v: %v", entries, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was made through a link: %v", err)
	}
}

// TestCreateFails holds that a capture which cannot be made leaves nothing behind.
func TestCreateFails(t *testing.T) {
	dir := t.TempDir()
	if _, err := Create(filepath.Join(dir, "no", "such", "folder"), CreateOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that does not exist: %v", err)
	}
	tables := testTables()
	tables[1].ID = 7
	var invalid *schemas.InvalidError
	if _, err := Create(filepath.Join(dir, "invalid"), CreateOptions{Tables: tables}); !errors.As(err, &invalid) {
		t.Errorf("with tables out of order: %v", err)
	}
	sites := testSites()
	sites[0].Table = tableQuiet // a call in a table of points
	if _, err := Create(filepath.Join(dir, "invalid"), CreateOptions{Tables: testTables(), Sites: sites}); !errors.As(err, &invalid) {
		t.Errorf("with a site in the wrong table: %v", err)
	}
	huge := testSites()
	huge[0].Note = strings.Repeat("x", catalog.MaxValueBytes)
	if _, err := Create(filepath.Join(dir, "huge"), CreateOptions{Tables: testTables(), Sites: huge}); err == nil {
		t.Error("with a site that is too large: made")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestOwner makes a capture for another user, and goes on writing it as that user, as a recorder does that has given up its privileges.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving files away needs root")
	}
	const uid, gid = 12345, 23456
	w, path := create(t, CreateOptions{Owner: &Owner{UID: uid, GID: gid}, SegmentBytes: 1})
	// The folder above belongs to root, and is closed to the user: what is new must be reached without its path.
	if err := os.Chmod(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setresgid(gid, gid, 0); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setresuid(uid, uid, 0); err != nil {
		t.Fatal(err)
	}
	load := newWorkload()
	var errs []error
	for range 3 {
		errs = append(errs, appendRows(w, load, 100), flush(w, load))
	}
	errs = append(errs, finish(w, load))
	if err := errors.Join(syscall.Setresuid(0, 0, 0), syscall.Setresgid(0, 0, 0)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.Walk(path, func(name string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		files++
		if s := info.Sys().(*syscall.Stat_t); s.Uid != uid || s.Gid != gid {
			t.Errorf("%s belongs to %d:%d", name, s.Uid, s.Gid)
		}
		return nil
	})
	if err != nil || files < 8 {
		t.Errorf("%d files: %v", files, err)
	}
	have, _, err := readRows(open(t, path))
	if n, behind := prefix(have); err != nil || n != load.next || behind != 0 {
		t.Errorf("%d rows and %d behind, want %d: %v", n, behind, load.next, err)
	}
}

// TestOpenOther opens what is not a capture.
func TestOpenOther(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	made := []error{
		os.Mkdir(at("empty"), 0o700),
		os.Mkdir(at("photos"), 0o700),
		os.WriteFile(at("photos/cat.jpg"), []byte("meow"), 0o600),
		os.WriteFile(at("file"), []byte("text"), 0o600),
		os.Mkdir(at("headless"), 0o700),
		os.Mkdir(at("headless/events"), 0o700),
		os.Mkdir(at("unborn"), 0o700),
		os.WriteFile(at("unborn/catalog.db"), nil, 0o600),
		os.Mkdir(at("linked"), 0o700),
		os.Symlink("/etc/passwd", at("linked/catalog.db")),
		os.Mkdir(at("foreign"), 0o700),
		os.WriteFile(at("foreign/catalog.db"), []byte(strings.Repeat("SQLite format 3\x00", 1000)), 0o600),
		os.Mkdir(at("above"), 0o700),
		syscall.Mkfifo(at("pipe"), 0o600),
		os.Mkdir(at("piped"), 0o700),
		syscall.Mkfifo(at("piped/catalog.db"), 0o600),
	}
	if err := errors.Join(made...); err != nil {
		t.Fatal(err)
	}
	w, err := Create(at("above/incident.tape"), CreateOptions{Tables: testTables(), Sites: testSites()})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var notOne *NotCaptureError
	var corrupt *CorruptError
	for _, test := range []struct {
		path   string
		target any
		text   string
		hint   string
	}{
		{"nothing", nil, "no such file", ""},
		{"empty", &notOne, "not a capture: the folder is empty", ""},
		{"photos", &notOne, "not a capture: there is no catalog.db in it", ""},
		{"above", &notOne, "not a capture: there is no catalog.db in it", "did you mean"},
		{"file", &notOne, "not a capture: it is a file, and a capture is a folder", ""},
		{"pipe", &notOne, "not a capture: it is neither a folder nor a file", ""},
		{"above/incident.tape/catalog.db", &notOne, "not a capture: it is a file", "give the folder"},
		{"headless", &notOne, "not a capture: its catalogue, catalog.db, is missing", "copy the whole folder"},
		{"unborn", &notOne, "not a capture: its catalog.db is empty", "ended before"},
		{"linked", &notOne, "not a capture: its catalog.db is not a regular file", ""},
		{"piped", &notOne, "not a capture: its catalog.db is not a regular file", ""},
		{"foreign", &corrupt, "catalog.db is damaged", "another copy"},
	} {
		r, err := Open(at(test.path))
		if err == nil {
			t.Errorf("%s opens", test.path)
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		if !strings.Contains(err.Error(), test.text) || !strings.Contains(err.Error(), test.path) || !strings.Contains(hintsOf(err), test.hint) {
			t.Errorf("%s: %v (%s), want %s (%s)", test.path, err, hintsOf(err), test.text, test.hint)
		}
		switch {
		case test.target == nil:
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", test.path, err)
			}
		case !errors.As(err, test.target):
			t.Errorf("%s: %T", test.path, err)
		}
	}
}

// TestOpenNewer opens captures of other format versions.
func TestOpenNewer(t *testing.T) {
	make := func(major, minor uint16) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "newer.tape")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(path)
		if err != nil {
			t.Fatal(err)
		}
		db, err := catalog.Create(root.OpenFile)
		if err != nil {
			t.Fatal(err)
		}
		m := testManifest()
		m.Tool.Version, m.Ended, m.End = "9.1", true, 2
		e := catalog.NewEncoder(0)
		err = errors.Join(e.SetFormat(major, minor), e.AddTables(testTables()), e.SetSites(testSites()), e.SetManifest(&m))
		if err := errors.Join(err, db.Commit(e.Take(nil)), db.Close(), root.Close()); err != nil {
			t.Fatal(err)
		}
		return path
	}
	r := open(t, make(schemas.FormatMajor, schemas.FormatMinor+3))
	if m := r.Manifest(); m.Minor != schemas.FormatMinor+3 || len(r.Damage()) > 0 {
		t.Errorf("a newer minor version: %d.%d, %v", m.Major, m.Minor, r.Damage())
	}
	_, err := Open(make(schemas.FormatMajor+1, 0))
	var version *VersionError
	if !errors.As(err, &version) || version.Tool != "9.1" || hintsOf(err) == "" || !strings.Contains(err.Error(), "its format is 2.0, written by probetape 9.1, which is newer than this build reads") {
		t.Errorf("a newer major version: %v", err)
	}
}
