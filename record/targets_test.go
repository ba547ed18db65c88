package record

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"probetape/record/proc"
)

func TestCheckPIDs(t *testing.T) {
	f := proc.FS{Root: proc.Mounted}
	self := uint32(os.Getpid())
	if err := CheckPIDs(f, []uint32{self}); err != nil {
		t.Errorf("this process: %v", err)
	}
	var none *NoProcessError
	if err := CheckPIDs(f, []uint32{self, 4194304}); !errors.As(err, &none) || none.PID != 4194304 || len(none.Hints()) == 0 {
		t.Errorf("a process that cannot be: %v", err)
	}
	zombie := exec.Command("true")
	if err := zombie.Start(); err != nil {
		t.Fatal(err)
	}
	pid := uint32(zombie.Process.Pid)
	for {
		k, err := f.Task(0, pid)
		if err != nil {
			t.Fatal(err)
		}
		if !k.Alive() {
			break
		}
	}
	if err := CheckPIDs(f, []uint32{pid}); !errors.As(err, &none) {
		t.Errorf("a process that has ended, and is not yet waited for: %v", err)
	}
	if err := zombie.Wait(); err != nil {
		t.Error(err)
	}
	tids, err := f.Threads(self)
	if err != nil {
		t.Fatal(err)
	}
	for _, tid := range tids {
		if tid == self {
			continue
		}
		if err := CheckPIDs(f, []uint32{tid}); !errors.As(err, &none) || none.Thread != self {
			t.Errorf("a thread's id: %v; want an error that names its process", err)
		}
		return
	}
	t.Error("this process has one thread only")
}

func TestAddTargets(t *testing.T) {
	sh := exec.Command("sh", "-c", "sleep 60 & sleep 60 & wait")
	if err := sh.Start(); err != nil {
		t.Fatal(err)
	}
	pid := uint32(sh.Process.Pid)
	f := proc.FS{Root: proc.Mounted}
	var kids []uint32
	for len(kids) < 2 {
		var err error
		if kids, err = f.Descendants([]uint32{pid}); err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		for _, k := range append([]uint32{pid}, kids...) {
			p, err := os.FindProcess(int(k))
			if err == nil {
				err = p.Kill()
			}
			if err != nil {
				t.Error(err)
			}
		}
		if err := sh.Wait(); err == nil {
			t.Error("it was not killed")
		}
	}()
	var added []uint32
	add := func(pids ...uint32) error { added = append(added, pids...); return nil }
	all, err := addTargets(f, add, []uint32{pid}, true)
	if err != nil || !slices.Equal(all, added) || !slices.Equal(all, append([]uint32{pid}, kids...)) {
		t.Errorf("addTargets = %v (added %v), %v; want %d and %v", all, added, err, pid, kids)
	}
	added = nil
	if all, err = addTargets(f, add, []uint32{pid}, false); err != nil || !slices.Equal(all, []uint32{pid}) || !slices.Equal(added, all) {
		t.Errorf("without children: %v (added %v), %v", all, added, err)
	}
}

func TestDescribeMatches(t *testing.T) {
	got := strings.Join(describeMatches([]Match{
		{PID: 42, Comm: "nginx", Threads: 3}, {PID: 43, Threads: 1, Descendant: true}, {PID: 44, Threads: 1, Descendant: true},
	}), "; ")
	if want := "process 42 (nginx), 3 threads; 2 processes below, 2 threads"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
