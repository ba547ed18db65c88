package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"probetape/record/resolve"
)

// These tests read programs and libraries of the running system, and what a user without privileges sees of it.

// nobodyVar makes it one that says what it sees of the host.
const nobodyVar = "PROBETAPE_TEST_NOBODY"

// lookUnprivileged prints what a user without privileges gets to know.
func lookUnprivileged() {
	h, err := Open()
	if err != nil {
		fmt.Println("opening the host:", err)
		return
	}
	say := func(what string, n int, err error) {
		var access *resolve.AccessError
		fmt.Printf("%s: %v, forbidden %v, said %v, absent %v\n", what, n > 0, errors.Is(err, fs.ErrPermission), errors.As(err, &access), errors.Is(err, fs.ErrNotExist))
	}
	tracepoints, err := h.Tracepoints()
	say("tracepoints", len(tracepoints), err)
	_, err = h.Format("sched", "sched_switch")
	say("format", 0, err)
	calls, err := h.Syscalls()
	say("calls", len(calls), err)
	raw, err := h.RawTracepoints()
	say("raw tracepoints", len(raw), err)
	funcs, err := h.KernelFuncs()
	say("functions", len(funcs), err)
	own, err := h.Binaries("/proc/self/exe")
	say("program", len(own), err)
	first, err := h.Binaries("/proc/1/exe")
	say("another user's program", len(first), err)
}

// TestUnprivileged: what may not be read is not what does not exist.
func TestUnprivileged(t *testing.T) {
	native(t)
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "host") // the test's own folder is closed to others
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}()
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(dir+"/program", exe, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(dir + "/program")
	cmd.Dir = "/"
	cmd.Env = []string{nobodyVar + "=1"}
	const nobody = 65534
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := "tracepoints: false, forbidden true, said true, absent false\n" +
		"format: false, forbidden true, said true, absent false\n" +
		"calls: true, forbidden false, said false, absent false\n" +
		"raw tracepoints: true, forbidden false, said false, absent false\n" +
		"functions: true, forbidden false, said false, absent false\n" +
		"program: true, forbidden false, said false, absent false\n" +
		"another user's program: false, forbidden true, said true, absent false\n"
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOwnProgram looks this test itself up in every way: the files are the same.
func TestOwnProgram(t *testing.T) {
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	exe, err = filepath.EvalSymlinks(exe)
	if err != nil {
		t.Fatal(err)
	}
	self := fmt.Sprintf("/proc/%d", os.Getpid())
	for _, name := range []string{exe, "/proc/self/exe", self + "/exe", self + "/root" + exe, "/proc/self/root" + exe} {
		list, err := h.Binaries(name)
		if err != nil || len(list) != 1 || list[0].Path != exe || !list[0].Go || !list[0].Static {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
	}
	list, err := h.Symbols(exe)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(list, func(s resolve.UserSymbol) bool { return s.Name == "main.main" && s.Offset > 0 }) {
		t.Errorf("%d symbols without main.main", len(list))
	}
	// The shell is found in PATH.
	if sh, err := exec.LookPath("sh"); err == nil {
		if list, err := h.Binaries("sh"); err != nil || len(list) != 1 {
			t.Errorf("%s: %+v, %v", sh, list, err)
		}
	}
}

// TestOtherRoot has a process with a root folder of its own, as in a container: its absolute links lead to its own files.
func TestOtherRoot(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	library, err := os.ReadFile("testdata/samples/libsample.so")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(root+"/opt/lib", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"/opt/program": exe, "/opt/lib/libx.so.1": library} {
		if err := os.WriteFile(root+name, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/opt/lib/libx.so.1", root+"/opt/lib/libx.so"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/opt/program")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	cmd.Env = []string{waitVar + "=1"}
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(input.Close(), cmd.Wait()); err != nil {
			t.Error(err)
		}
	}()
	if _, err := output.Read(make([]byte, 1)); err != nil { // it runs: its links show it and no longer this test
		t.Fatal(err)
	}
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	proc := fmt.Sprintf("/proc/%d", cmd.Process.Pid)
	for name, want := range map[string]string{
		proc + "/root/opt/lib/libx.so":   proc + "/root/opt/lib/libx.so.1",
		proc + "/root/opt/lib/libx.so.*": proc + "/root/opt/lib/libx.so.1",
		proc + "/exe":                    root + "/opt/program",
	} {
		list, err := h.Binaries(name)
		if err != nil || len(list) != 1 || list[0].Path != want {
			t.Errorf("%s: %+v, %v; want %s", name, list, err, want)
			continue
		}
		if symbols, err := h.Symbols(list[0].Path); err != nil || len(symbols) == 0 {
			t.Errorf("%s: %d symbols, %v", want, len(symbols), err)
		}
	}
	// A program that was replaced while it runs is still reached by the link.
	if err := os.Remove(root + "/opt/program"); err != nil {
		t.Fatal(err)
	}
	h, err = Open()
	if err != nil {
		t.Fatal(err)
	}
	if list, err := h.Binaries(proc + "/exe"); err != nil || len(list) != 1 || list[0].Path != proc+"/exe" || !list[0].Go {
		t.Errorf("a deleted program: %+v, %v", list, err)
	}
}

// TestManyFiles has a glob that matches more files than are open at a time.
func TestManyFiles(t *testing.T) {
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	image, err := os.ReadFile("testdata/samples/libsample.so")
	if err != nil {
		t.Fatal(err)
	}
	const files = 100
	for i := range files {
		if err := os.WriteFile(fmt.Sprintf("%s/lib%d.so", dir, i), image, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := open()
	list, err := h.Binaries(dir + "/*.so")
	if err != nil || len(list) != files {
		t.Fatalf("%d files, %v", len(list), err)
	}
	for _, b := range list {
		if _, err := h.Symbols(b.Path); err != nil {
			t.Fatal(err)
		}
	}
	if after := open(); after > before+files/10 {
		t.Errorf("%d files are open, %d were before", after, before)
	}
	// One that is replaced after it was looked at is not read as if it were the same.
	if err := errors.Join(os.Remove(list[0].Path), os.WriteFile(list[0].Path, image, 0o600)); err != nil {
		t.Fatal(err)
	}
	if probes, err := h.USDT(list[0].Path); err == nil || !strings.Contains(err.Error(), "was replaced") {
		t.Errorf("%d probes of another file, %v", len(probes), err)
	}
}

// TestLibrariesAsNm holds the symbols of installed libraries against binutils' nm.
func TestLibrariesAsNm(t *testing.T) {
	tool, err := exec.LookPath("nm")
	if err != nil {
		t.Skip("needs program nm")
	}
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"libc.so.6", "libm.so.6", "libstdc++.so.6", "ld-linux-x86-64.so.2"} {
		list, err := h.Binaries(name)
		if errors.Is(err, fs.ErrNotExist) && name != "libc.so.6" {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		path := list[0].Path
		out, err := exec.Command(tool, "-D", "--defined-only", "--with-symbol-versions", path).Output()
		if err != nil {
			t.Fatalf("nm %s: %v", path, err)
		}
		var want []string
		for line := range strings.Lines(string(out)) {
			p := strings.Fields(line)
			if len(p) == 3 && strings.Contains("TtWi", p[1]) {
				name, _, _ := strings.Cut(p[2], "@@")
				want = append(want, name+" 0x"+strings.TrimLeft(p[0], "0"))
			}
		}
		symbols, err := h.Symbols(path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range symbols {
			if s.Dynamic {
				got = append(got, fmt.Sprintf("%s %#x", s.Name, s.Address))
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(slices.Compact(want), got); diff != "" {
			t.Errorf("%s (-nm +ours):\n%s", path, diff)
		}
		t.Logf("%s: %d functions in .dynsym, %d in all", path, len(got), len(symbols))
	}
}

// BenchmarkLibc opens the C library and lists its symbols.
func BenchmarkLibc(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		h, err := Open()
		if err != nil {
			b.Fatal(err)
		}
		list, err := h.Binaries("libc.so.6")
		if err != nil {
			b.Skip(err)
		}
		if _, err := h.Symbols(list[0].Path); err != nil {
			b.Fatal(err)
		}
	}
}
