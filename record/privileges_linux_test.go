package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMissingPrivileges(t *testing.T) {
	const all = ^capSet(0)
	for _, c := range []struct {
		have    capSet
		charged bool
		missing string // empty: none
	}{
		{all, true, ""},
		{all &^ capsOf(capBPF, capPerfmon), true, ""}, // CAP_SYS_ADMIN stands for both
		{all &^ capsOf(capSysAdmin), true, ""},
		{all &^ capsOf(capSysAdmin, capBPF), true, "CAP_BPF"},
		{all &^ capsOf(capSysAdmin, capPerfmon), true, "CAP_PERFMON"},
		{all &^ capsOf(capSysPtrace), true, "CAP_SYS_PTRACE"},
		{all &^ capsOf(capDACReadSearch, unix.CAP_DAC_OVERRIDE), true, "CAP_DAC_READ_SEARCH"},
		{all &^ capsOf(capSysResource), true, ""},
		{all &^ capsOf(capSysResource), false, "CAP_SYS_RESOURCE"},
		{0, true, "CAP_BPF and CAP_PERFMON and CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE"},
	} {
		err := missingPrivileges(c.have, c.charged)
		if (err == nil) != (c.missing == "") {
			t.Errorf("with %v: %v; want missing %q", c.have, err, c.missing)
			continue
		}
		var lacking *PrivilegeError
		if err != nil && (!errors.As(err, &lacking) || !strings.Contains(err.Error(), c.missing) || strings.Contains(err.Error(), "\n") || len(lacking.Hints()) == 0) {
			t.Errorf("with %v: %q; want one line that names %s, and a hint", c.have, err, c.missing)
		}
	}
}

// dropChild is set in the process that TestDropPrivileges starts: what it gives up cannot be taken back.
const dropChild = "PROBETAPE_TEST_DROP"

func TestDropPrivileges(t *testing.T) {
	if dir := os.Getenv(dropChild); dir != "" {
		dropAndTell(t, dir)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := filepath.Join(t.TempDir(), "owned")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 65534, 65533); err != nil {
		t.Fatal(err)
	}
	for p := filepath.Dir(dir); p != os.TempDir() && p != "/"; p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestDropPrivileges$", "-test.v")
	cmd.Env = append(os.Environ(), dropChild+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func dropAndTell(t *testing.T, dir string) {
	other := exec.Command("sleep", "60") // root's, whose /proc is closed to the owner
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(other.Process.Kill(), other.Process.Release()); err != nil {
			t.Error(err)
		}
	}()
	its := fmt.Sprintf("/proc/%d/", other.Process.Pid)
	p, err := dropPrivileges(&Owner{UID: 65534, GID: 65533}, true)
	if errors.Is(err, syscall.ENOTSUP) && !p.active {
		t.Log("built with cgo: threads cannot be reached, nothing was dropped, and the recorder says so")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	want := capsOf(capBPF, capSysPtrace, capDACReadSearch, capKill)
	check := func(where string, want capSet) {
		effective, permitted, err := ownCaps()
		if err != nil || effective != want || permitted != want|capsOf(capSysAdmin) {
			t.Errorf("%s: effective %#x permitted %#x, %v; want %#x, and CAP_SYS_ADMIN permitted", where, effective, permitted, err, want)
		}
	}
	check("after dropping", want)
	// A thread that is started afterwards, and those that were there before.
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		check("on another thread", want)
	}()
	<-done
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
		if errors.Is(err, fs.ErrNotExist) {
			continue // the thread has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"NoNewPrivs:\t1", fmt.Sprintf("CapEff:\t%016x", uint64(want))} {
			if !strings.Contains(string(status), line) {
				t.Errorf("thread %s lacks %q", task.Name(), line)
			}
		}
	}
	err = p.withSpare(func() error {
		check("with the spare ones", want|capsOf(capSysAdmin))
		_, err := os.ReadFile(its + "stack")
		return err
	})
	if err != nil {
		t.Errorf("reading another's kernel stack: %v", err)
	}
	check("after the spare ones", want)
	if _, err := os.ReadFile(its + "syscall"); err != nil {
		t.Errorf("reading another's system call: %v", err)
	}
	name := filepath.Join(dir, "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatalf("writing in the owner's folder: %v", err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if s := info.Sys().(*syscall.Stat_t); s.Uid != 65534 || s.Gid != 65533 {
		t.Errorf("the file is owned by %d:%d, want 65534:65533", s.Uid, s.Gid)
	}
	if err := os.WriteFile("/root/probetape-test", nil, 0o600); err == nil {
		t.Error("a file of root's could be written")
		if err := os.Remove("/root/probetape-test"); err != nil {
			t.Error(err)
		}
	}
}
