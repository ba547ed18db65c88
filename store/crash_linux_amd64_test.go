package store

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"probetape/store/catalog"
	"probetape/store/catalog/catalogtest"
)

// childRecord writes numbered rows into a capture until it is killed. After each flush it prints how many rows are promised to be on the disk:
// those that were handed over before the flush before.
func childRecord() int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	w, err := Create(os.Getenv(childPath), CreateOptions{Tables: testTables(), Sites: testSites(), SegmentBytes: 200 << 10})
	if err != nil {
		return fail(err)
	}
	load := newWorkload()
	if err := flush(w, load); err != nil {
		return fail(err)
	}
	fmt.Println(0)
	promised := uint64(0)
	for {
		for began := time.Now(); time.Since(began) < 5*time.Millisecond; {
			if err := appendRows(w, load, 300); err != nil {
				return fail(err)
			}
		}
		handed := load.next
		if err := flush(w, load); err != nil {
			return fail(err)
		}
		fmt.Println(promised)
		promised = handed
	}
}

// TestKill kills a recording at random moments, 20 times or as often as PROBETAPE_KILLS says. What was flushed must be there: all of it, and
// of what came after, nothing but what is told to be recovered.
func TestKill(t *testing.T) {
	kills := 20
	if s := os.Getenv("PROBETAPE_KILLS"); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	var rows, recovered, sealed int
	for i := range kills {
		path := filepath.Join(t.TempDir(), "killed.tape")
		promised := killRecording(t, path, time.Duration(rand.IntN(300))*time.Millisecond)
		committed, flushed := committedRows(t, path)
		if committed != flushed {
			t.Errorf("kill %d: the catalogue has %d rows, and says that the first %d are there", i, committed, flushed)
		}
		if committed < promised {
			t.Errorf("kill %d: %d rows are there, %d were promised", i, committed, promised)
		}
		r := open(t, path)
		have, sites, err := readRows(r)
		if err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
		if n, _ := prefix(have); n < committed {
			t.Errorf("kill %d: rows up to %d are there, %d were committed", i, n, committed)
		}
		if sites != counted(r) {
			t.Errorf("kill %d: sites have %d rows, the segments say %d", i, sites, counted(r))
		}
		for n := range have {
			if n >= committed {
				recovered++
			}
		}
		if recoveredRows(t, r) != uint64(len(have))-committed {
			t.Errorf("kill %d: %d rows, %d of them committed; the log: %v", i, len(have), committed, r.Log())
		}
		for _, g := range r.Segments() {
			if g.Sealed {
				sealed++
			}
		}
		checkTail(t, r)
		if d := r.Damage(); len(d) > 0 {
			t.Errorf("kill %d: damage %v", i, d)
		}
		catalogtest.Check(t, filepath.Join(path, catalogFile))
		rows += len(have)
		if t.Failed() {
			t.Logf("the capture of kill %d had %d rows", i, len(have))
			return
		}
	}
	t.Logf("%d kills: %d rows, %d of them recovered from behind the last commit; %d sealed segments", kills, rows, recovered, sealed)
	if rows == 0 || sealed == 0 {
		t.Error("nothing was recorded or sealed: the test shows nothing")
	}
}

// killRecording starts a recording and kills it some time after its first flush. It returns how many rows it had been promised.
func killRecording(t *testing.T, path string, after time.Duration) uint64 {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=record", childPath+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	promised := uint64(0)
	lines := bufio.NewScanner(out)
	for started := false; lines.Scan(); started = true {
		if !started {
			time.AfterFunc(after, func() {
				if err := cmd.Process.Kill(); err != nil {
					t.Errorf("killing the recording: %v", err)
				}
			})
		}
		if promised, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the recording ended with %v", err)
	}
	return promised
}

// committedRows returns how many rows the catalogue has, and how many it says that it has.
func committedRows(t *testing.T, path string) (rows, flushed uint64) {
	t.Helper()
	s, err := openFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.open(catalogFile)
	if err != nil {
		t.Fatal(err)
	}
	c, problems, err := catalog.NewFile(f, f.size).Load()
	if err != nil || len(problems) > 0 {
		t.Fatalf("loading the catalogue: %v, %v", err, problems)
	}
	for _, g := range c.Segments {
		rows += g.Rows
	}
	for _, err := range []error{f.Close(), s.close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if c.Manifest == nil {
		return rows, 0 // it was killed before its first flush had ended
	}
	return rows, uint64(c.Manifest.Flushed-1000) / 3
}

// recoveredRows sums up what the log says was recovered.
func recoveredRows(t *testing.T, r *Reader) uint64 {
	t.Helper()
	var sum uint64
	for _, e := range r.Log() {
		var n uint64
		if _, err := fmt.Sscanf(e.Text, "recovered %d rows", &n); err == nil {
			sum += n
		}
	}
	return sum
}
