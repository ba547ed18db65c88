package proc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree writes a proc file system and returns it.
func tree(t *testing.T, files map[string]string) FS {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return FS{Root: root}
}

func statLine(comm, state, parent, flags, start string) string {
	return "7 (" + comm + ") " + state + " " + parent + " 7 7 0 -1 " + flags + " 0 0 0 0 0 0 0 0 20 0 1 0 " + start + " 0 0 0\n"
}

const status = "Name:\tx\nTgid:\t7\nUid:\t1\t1000\t3\t4\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t3\n"

func TestTask(t *testing.T) {
	f := tree(t, map[string]string{
		"7/status":        status,
		"7/task/7/stat":   statLine("a) R (b", "S", "3", "4194560", "12345"),
		"7/task/7/status": status,
		"7/task/7/cgroup": "1:name=systemd:/x\n0::/user.slice/a b\n",
	})
	got, err := f.Task(0, 7)
	if err != nil {
		t.Fatal(err)
	}
	want := Task{PID: 7, TID: 7, Parent: 3, UID: 1000, Comm: "a) R (b", Cgroup: "/user.slice/a b", State: 'S', Start: 123450000000}
	if got != want {
		t.Errorf("Task = %+v, want %+v", got, want)
	}
	if !got.Alive() {
		t.Error("a sleeping task is not alive")
	}
}

func TestKernelThread(t *testing.T) {
	f := tree(t, map[string]string{
		"7/task/7/stat":   statLine("kworker/0:1", "I", "2", "69238880", "5"),
		"7/task/7/status": status,
	})
	got, err := f.Task(7, 7)
	if err != nil || !got.Kernel || got.Exe != "" {
		t.Errorf("Task = %+v, %v; want a kernel thread without an executable", got, err)
	}
}

func TestBadStat(t *testing.T) {
	for _, text := range []string{"", "7 (x", "7 (x) S", "7 (x) S a b", ")(", statLine("x", "S", "parent", "0", "1"), statLine("x", "S", "1", "0", "soon")} {
		f := tree(t, map[string]string{"7/task/7/stat": text, "7/task/7/status": status})
		if _, err := f.Task(7, 7); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("stat %q: error %v; want one that says what is wrong", text, err)
		}
	}
}

func TestGoneTask(t *testing.T) {
	f := FS{Root: t.TempDir()}
	if _, err := f.Task(7, 7); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Task = %v, want fs.ErrNotExist", err)
	}
	if _, err := f.Waiting(7, 7); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Waiting = %v, want fs.ErrNotExist", err)
	}
	if err := f.EachThread(7, func(Task) error { return errors.New("called") }); err != nil {
		t.Errorf("EachThread = %v, want nothing for a process that is gone", err)
	}
}

func TestDescendants(t *testing.T) {
	files := map[string]string{}
	for pid, parent := range map[string]string{"1": "0", "10": "1", "11": "10", "12": "11", "13": "1", "14": "11"} {
		files[pid+"/stat"] = statLine("x", "S", parent, "0", "1")
	}
	f := tree(t, files)
	got, err := f.Descendants([]uint32{10, 11})
	if err != nil || !slices.Equal(got, []uint32{12, 14}) {
		t.Errorf("Descendants = %v, %v; want [12 14]", got, err)
	}
}

func TestWaiting(t *testing.T) {
	f := tree(t, map[string]string{
		"7/task/7/stat":    statLine("x", "D", "3", "0", "1"),
		"7/task/7/syscall": "0 0x3 0x7ffd 0x10 0x0 0x0 0xffffffffffffffff 0x7fff 0x7f00\n",
		"7/task/7/status":  status,
		"7/task/7/wchan":   "pipe_read",
		"7/task/7/stack":   "[<0>] pipe_read+0x1f/0x30\n[<0>] vfs_read+0xb/0x1\n",
		"7/exe":            "\x7fELF\x01",
	})
	w, err := f.Waiting(7, 7)
	if err != nil {
		t.Fatal(err)
	}
	if w.State != 'D' || w.Ran != 8 || w.Syscall != 0 || len(w.Args) != 6 || w.Args[0] != 3 || w.Args[5] != 1<<64-1 || !w.Compat {
		t.Errorf("Waiting = %+v", w)
	}
	if w.Wchan != "pipe_read" || !slices.Equal(w.Stack, []string{"pipe_read", "vfs_read"}) || len(w.Notes) != 0 {
		t.Errorf("Waiting = %+v", w)
	}
}

func TestNotWaiting(t *testing.T) {
	for _, text := range []string{"running\n", "-1 0x7fff 0x7f00\n", "0 0xzz 0 0 0 0 0 0 0\n", ""} {
		f := tree(t, map[string]string{
			"7/task/7/stat":    statLine("x", "R", "3", "0", "1"),
			"7/task/7/syscall": text,
			"7/task/7/status":  status,
			"7/task/7/wchan":   "0",
		})
		w, err := f.Waiting(7, 7)
		if err != nil || w.Syscall != NoSyscall || w.Wchan != "" {
			t.Errorf("syscall %q: %+v, %v", text, w, err)
		}
		if len(w.Notes) != 1 || !strings.HasPrefix(w.Notes[0], "stack: ") {
			t.Errorf("syscall %q: notes %q; want one on the stack that is not there", text, w.Notes)
		}
	}
}

// TestThisHost holds the reader against the running system's own /proc.
func TestThisHost(t *testing.T) {
	f := FS{Root: Mounted}
	self := uint32(os.Getpid())
	me, err := f.Task(0, self)
	if errors.Is(err, fs.ErrNotExist) && !exists(Mounted+"/self/stat") {
		t.Skip("no /proc: not Linux")
	}
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if me.PID != self || me.Parent != uint32(os.Getppid()) || me.UID != uint32(os.Geteuid()) || me.Exe != exe || me.Start <= 0 {
		t.Errorf("Task of this process = %+v", me)
	}
	found := false
	if err := f.Each(func(t Task) error { found = found || t == me || t.TID == self; return nil }); err != nil {
		t.Fatal(err)
	}
	if !found {
		t.Error("Each did not find this process")
	}
	kids, err := f.Descendants([]uint32{uint32(os.Getppid())})
	if err != nil || !slices.Contains(kids, self) {
		t.Errorf("Descendants of the parent = %v, %v; want this process among them", kids, err)
	}
}

func exists(name string) bool { _, err := os.Stat(name); return err == nil }
