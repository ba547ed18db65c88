package host

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"probetape/record/host/kallsyms"
	"probetape/record/host/tracefs"
	"probetape/record/resolve"
	"probetape/schemas"
)

// These tests read the running kernel. They need root.

// waitVar makes this test binary a program that says that it runs and waits for the end of its standard input.
const waitVar = "PROBETAPE_TEST_WAIT"

func TestMain(m *testing.M) {
	if os.Getenv(waitVar) != "" {
		if _, err := os.Stdout.WriteString("."); err != nil {
			os.Exit(2)
		}
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			os.Exit(2)
		}
		os.Exit(0)
	}
	if os.Getenv(nobodyVar) != "" {
		lookUnprivileged()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// native returns the running host, with tracefs mounted.
func native(t testing.TB) *Host {
	t.Helper()
	needRoot(t)
	if _, err := MountTracefs(); err != nil {
		t.Fatal(err)
	}
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestMountTracefs(t *testing.T) {
	needRoot(t)
	if _, err := MountTracefs(); err != nil {
		t.Fatal(err)
	}
	if did, err := MountTracefs(); did || err != nil {
		t.Errorf("mounted again: %v, %v", did, err)
	}
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if list, err := h.Tracepoints(); len(list) < 500 || err != nil {
		t.Errorf("%d tracepoints, %v", len(list), err)
	}
}

// TestTracepointsOfThisKernel reads every format, and holds its offsets and sizes against the kernel's own types: the record of a
// tracepoint is struct trace_event_raw_NAME.
func TestTracepointsOfThisKernel(t *testing.T) {
	h := native(t)
	list, err := h.Tracepoints()
	if err != nil {
		t.Fatal(err)
	}
	folders, err := filepath.Glob("/sys/kernel/tracing/events/*/*/format")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) > len(folders) || len(list) < len(folders)/2 {
		t.Errorf("%d tracepoints, %d folders", len(list), len(folders))
	}
	spec, err := h.Types("")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, tp := range list {
		f, err := h.Format(tp.Category, tp.Name)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		var record *btf.Struct
		if tp.Category == "syscalls" || spec.TypeByName("trace_event_raw_"+tp.Name, &record) != nil {
			continue // it shares another's
		}
		places := map[string]btf.Member{}
		for _, m := range record.Members {
			places[m.Name] = m
		}
		for _, field := range f.Fields {
			name := field.Name
			switch {
			case strings.HasPrefix(name, "common_"):
				continue
			case field.DataLoc:
				name = "__data_loc_" + name
			case field.RelLoc:
				name = "__rel_loc_" + name
			}
			m, ok := places[name]
			if !ok {
				continue // renamed in the format only
			}
			compared++
			size, err := btf.Sizeof(m.Type)
			if err != nil {
				t.Errorf("%s:%s: %s: %v", tp.Category, tp.Name, name, err)
				continue
			}
			if int(m.Offset.Bytes()) != field.Offset || size != field.Size && field.Size != 0 {
				t.Errorf("%s:%s: %s is at %d with %d bytes; the kernel's types say %d and %d", tp.Category, tp.Name, name, field.Offset, field.Size, m.Offset.Bytes(), size)
			}
		}
	}
	if compared < 500 {
		t.Errorf("only %d fields could be compared", compared)
	}
	t.Logf("%d tracepoints, %d fields compared", len(list), compared)
}

// TestSyscallsOfThisKernel holds the table against the kernel's own descriptions: it knows every call, and its parameters.
func TestSyscallsOfThisKernel(t *testing.T) {
	h := native(t)
	calls, err := h.Syscalls()
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]resolve.Syscall{}
	for _, c := range calls {
		if c.ABI == schemas.ABIx8664 {
			table[c.Name] = c
		}
	}
	ours := map[string]string{
		"newstat": "stat", "newfstat": "fstat", "newlstat": "lstat", "newuname": "uname", "umount": "umount2", "sendfile64": "sendfile", "sysctl": "_sysctl",
	}
	// These are built into kernels for other programs than those of 64 bits.
	others := []string{"mmap2", "mmap_pgoff", "old_mmap", "sigprocmask", "nice", "socketcall", "ipc", "waitpid", "old_select", "fadvise64_64", "sys_exit_io_uring_enter"}
	fsys := tracefs.FS{Root: "/sys/kernel/tracing"}
	events, err := fsys.Events()
	if err != nil {
		t.Fatal(err)
	}
	checked, renamed := 0, 0
	for _, e := range events {
		name, ok := strings.CutPrefix(e.Name, "sys_enter_")
		if !ok || e.Category != "syscalls" || slices.Contains(others, name) {
			continue
		}
		if n, ok := ours[name]; ok {
			name = n
		}
		c, ok := table[name]
		if !ok {
			t.Errorf("the kernel has a call %q that the table lacks", name)
			continue
		}
		f, err := fsys.Format(e.Category, e.Name)
		if err != nil {
			t.Fatal(err)
		}
		var params []resolve.Param
		for _, field := range f.Fields {
			if field.Name != "__syscall_nr" && !(field.Name == "nr" && field.Offset == 8) && field.Place == tracefs.Fixed {
				params = append(params, resolve.Param{Name: field.Name, Type: field.Type})
			}
		}
		checked++
		if len(c.Params) > len(params) || len(c.Params) < len(params) && name != "bpf" {
			t.Errorf("%s has parameters %v; the kernel says %v", name, c.Params, params)
			continue
		}
		for i, p := range c.Params {
			// Kernels rename parameters now and then; what they are stays.
			if p.Name != params[i].Name {
				renamed++
			}
			if strings.HasSuffix(p.Type, "*") != strings.HasSuffix(params[i].Type, "*") && !strings.Contains(p.Type, "*const") {
				t.Errorf("%s: %v is %v for the kernel", name, p, params[i])
			}
		}
	}
	if checked < 300 || renamed > checked/10 {
		t.Errorf("%d calls checked, %d parameters with other names", checked, renamed)
	}
	t.Logf("%d calls checked, %d parameters with other names", checked, renamed)
}

func TestRawTracepointsOfThisKernel(t *testing.T) {
	h := native(t)
	got, err := h.RawTracepoints()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := h.Types("")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for typ, err := range spec.All() {
		if err != nil {
			t.Fatal(err)
		}
		if td, ok := typ.(*btf.Typedef); ok && strings.HasPrefix(td.Name, rawPrefix) {
			want = append(want, strings.TrimPrefix(td.Name, rawPrefix))
		}
	}
	slices.Sort(want)
	var names []string
	for _, r := range got {
		if r.Module == "" {
			names = append(names, r.Name)
		}
	}
	if diff := cmp.Diff(want, names); diff != "" || len(names) < 300 {
		t.Errorf("%d raw tracepoints (-decoded +ours):\n%s", len(names), diff)
	}
	for _, name := range []string{"sched_switch", "sys_enter", "sys_exit", "task_newtask"} {
		if !slices.Contains(names, name) {
			t.Errorf("there is no %s", name)
		}
	}
}

func TestKernelFuncsOfThisKernel(t *testing.T) {
	h := native(t)
	got, err := h.KernelFuncs()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) < 20000 || !slices.IsSortedFunc(got, func(a, b resolve.KernelFunc) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("%d functions", len(got))
	}
	byName := map[string][]resolve.KernelFunc{}
	for _, f := range got {
		byName[f.Name] = append(byName[f.Name], f)
	}
	// Another reading of the same file.
	file, err := os.Open("/proc/kallsyms")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	wanted := []string{"vfs_read", "vfs_write", "vfs_open", "do_sys_openat2", "schedule", "__x64_sys_read", "tcp_sendmsg"}
	for scan := bufio.NewScanner(file); scan.Scan(); {
		p := strings.Fields(scan.Text())
		if len(p) != 3 || !slices.Contains(wanted, p[2]) {
			continue
		}
		addr, err := strconv.ParseUint(p[0], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		list := byName[p[2]]
		if len(list) != 1 || list[0].Address != addr || addr == 0 || list[0].Size == 0 || list[0].Size > 1<<16 || list[0].Module != "" {
			t.Errorf("%s: %+v, want %#x", p[2], list, addr)
		}
		delete(byName, p[2])
	}
	for _, name := range wanted {
		if len(byName[name]) > 0 {
			t.Errorf("%s is not in /proc/kallsyms", name)
		}
	}
	text, err := os.ReadFile("/sys/kernel/tracing/available_filter_functions")
	if err != nil {
		// Without function tracing, or with it switched off, nothing is known of any function.
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, unix.ENODEV) {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(got, func(f resolve.KernelFunc) bool { return f.Notrace }); i >= 0 {
			t.Errorf("%s is marked though the list is not readable: %v", got[i].Name, err)
		}
		return
	}
	traced := 0
	for _, f := range got {
		if !f.Notrace {
			traced++
		}
	}
	listed := len(kallsyms.FilterFunctions(string(text)))
	if traced < listed*9/10 || traced > listed+listed/10 {
		t.Errorf("%d functions are not marked, %d are listed", traced, listed)
	}
	t.Logf("%d functions, %d of %d listed can be traced", len(got), traced, listed)
}

func TestTypesOfThisKernel(t *testing.T) {
	h := native(t)
	spec, err := h.Types("")
	if err != nil {
		t.Fatal(err)
	}
	var task *btf.Struct
	if err := spec.TypeByName("task_struct", &task); err != nil || task.Size < 1000 {
		t.Errorf("%v, %v", task, err)
	}
	modules, err := h.Modules()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		if !m.Loaded || !exists(btfDir+"/"+m.Name) {
			continue
		}
		if _, err := h.Types(m.Name); err != nil {
			t.Errorf("types of module %s: %v", m.Name, err)
		}
	}
	if _, err := h.Types("no_such_module"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a module that is not there: %v", err)
	}
}

func TestFactsOfThisHost(t *testing.T) {
	h := native(t)
	seen := map[string]bool{}
	for _, f := range h.Facts() {
		if f.Name == "" || f.Value == "" || seen[f.Name] || f.State == Bad && f.Why == "" || f.State == Good && f.Why != "" {
			t.Errorf("%+v", f)
		}
		seen[f.Name] = true
		t.Logf("%-36s %-8s %s", f.Name, f.State, f.Value)
	}
	for _, name := range []string{"kernel", "capabilities", "tracefs", "kprobes", "fentry", "uprobes"} {
		if !seen[name] {
			t.Errorf("nothing about %s", name)
		}
	}
}

func BenchmarkTracepoints(b *testing.B) {
	h := native(b)
	for b.Loop() {
		if _, err := h.listTracepoints(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRawTracepoints(b *testing.B) {
	h := native(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.listRawTracepoints(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKernelFuncs(b *testing.B) {
	h := native(b)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		list, err := h.listKernelFuncs()
		if err != nil {
			b.Fatal(err)
		}
		n = len(list)
	}
	b.ReportMetric(float64(n), "functions")
}

// BenchmarkKernelTypes opens the kernel's types and decodes one, which is what a probe on a kernel function costs once.
func BenchmarkKernelTypes(b *testing.B) {
	h := native(b)
	b.ReportAllocs()
	for b.Loop() {
		spec, err := h.loadKernelTypes()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := spec.AnyTypesByName("vfs_read"); err != nil {
			b.Fatal(err)
		}
	}
}
