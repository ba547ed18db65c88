package host

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"probetape/record/resolve"
)

const kallsymsText = `0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000100 T __pfx_vfs_read
ffffffff81000110 T vfs_read
ffffffff81000200 t helper.isra.0
ffffffff81000240 t helper.isra.0.cold
ffffffff81000260 t twin
ffffffff81000280 t __cfi_guarded
ffffffff81000290 t guarded
ffffffff810002c0 t do_nothing.cold
ffffffff81000300 W weak_one
ffffffff81000400 T _etext
ffffffff81800000 D jiffies
ffffffff82000000 T _sinittext
ffffffff82000010 t kernel_init_setup
ffffffff82000100 T _einittext
ffffffffc0300000 t late	[second]
ffffffffc0201000 t nf_hook	[first]
ffffffffc0201080 t twin	[first]
ffffffffc0a51000 t bpf_prog_6deef7357e7b4530	[bpf]
ffffffffc0a52000 t ftrace_trampoline	[__builtin__ftrace]
`

func describe(funcs []resolve.KernelFunc) []string {
	var lines []string
	for _, f := range funcs {
		line := fmt.Sprintf("%s %#x+%d", f.Name, f.Address, f.Size)
		if f.Module != "" {
			line += " [" + f.Module + "]"
		}
		if f.Notrace {
			line += " notrace"
		}
		if f.Blacklisted {
			line += " blacklisted"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestKernelFuncs(t *testing.T) {
	h := tree(t, map[string]string{
		"/proc/kallsyms":                                  kallsymsText,
		"/sys/kernel/tracing/events/enable":               "0",
		"/sys/kernel/tracing/available_filter_functions":  "vfs_read\ntwin [first]\nlate [second]\nweak_one\nhelper.isra.0\n",
		"/sys/kernel/debug/kprobes/blacklist":             "0xffffffff81000290-0xffffffff810002c0\tguarded\n0x0000000000000000-0x0000000000000000\tlate\n",
		"/sys/kernel/tracing/events/sched/sched_x/format": "",
	})
	got, err := h.KernelFuncs()
	if err != nil {
		t.Fatal(err)
	}
	// Where a module's last function ends is not known.
	want := []string{
		"guarded 0xffffffff81000290+48 notrace blacklisted",
		"helper.isra.0 0xffffffff81000200+64",
		"late 0xffffffffc0300000+0 [second] blacklisted",
		"nf_hook 0xffffffffc0201000+128 [first] notrace",
		"twin 0xffffffff81000260+32 notrace",
		"twin 0xffffffffc0201080+0 [first]",
		"vfs_read 0xffffffff81000110+240",
		"weak_one 0xffffffff81000300+256",
	}
	if diff := cmp.Diff(want, describe(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHiddenAddresses has a kernel that tells its addresses to nobody: names are what remains, and the blacklist counts by name.
func TestHiddenAddresses(t *testing.T) {
	var text strings.Builder
	for line := range strings.Lines(kallsymsText) {
		_, rest, _ := strings.Cut(line, " ")
		text.WriteString("0000000000000000 " + rest)
	}
	h := tree(t, map[string]string{
		"/proc/kallsyms":                      text.String(),
		"/sys/kernel/debug/kprobes/blacklist": "0x0000000000000000-0x0000000000000000\tguarded\n",
	})
	got, err := h.KernelFuncs()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"guarded 0x0+0 blacklisted", "helper.isra.0 0x0+0", "kernel_init_setup 0x0+0", "late 0x0+0 [second]", "nf_hook 0x0+0 [first]",
		"twin 0x0+0", "twin 0x0+0 [first]", "vfs_read 0x0+0", "weak_one 0x0+0",
	}
	if diff := cmp.Diff(want, describe(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNoKallsyms(t *testing.T) {
	h := tree(t, nil)
	var access *resolve.AccessError
	if _, err := h.KernelFuncs(); !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &access) || access.Path != "/proc/kallsyms" || len(access.Hints()) == 0 {
		t.Errorf("%v (%+v)", err, access)
	}
	h = tree(t, map[string]string{"/proc/kallsyms": "what\n"})
	if _, err := h.KernelFuncs(); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nonsense: %v", err)
	}
}

func TestModules(t *testing.T) {
	h := tree(t, map[string]string{
		"/proc/sys/kernel/osrelease":                  "6.1.0-test\n",
		"/proc/modules":                               "nf_tables 303104 0 - Live 0x0000000000000000\nlibcrc32c 16384 1 nf_tables, Live 0x0000000000000000\n",
		"/usr/lib/modules/6.1.0-test/modules.builtin": "kernel/fs/ext4/ext4.ko\nkernel/lib/libcrc32c.ko\n",
		"/usr/lib/modules/6.1.0-test/modules.dep":     "kernel/net/netfilter/nf_tables.ko.xz: kernel/lib/x.ko.xz\nkernel/fs/nls/nls_iso8859-1.ko:\n\nnonsense\n",
	})
	want := []resolve.Module{
		{Name: "ext4", Builtin: true}, {Name: "libcrc32c", Loaded: true}, {Name: "nf_tables", Loaded: true}, {Name: "nls_iso8859_1"},
	}
	got, err := h.Modules()
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := tree(t, nil).Modules(); len(got) != 0 || err != nil {
		t.Errorf("a kernel without modules: %v, %v", got, err)
	}
}

func TestTracepoints(t *testing.T) {
	const format = "name: x\nID: 7\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n" +
		"\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n\tfield:__data_loc char[] name;\toffset:24;\tsize:4;\tsigned:0;\n" +
		"\tfield:__rel_loc u32[] ids;\toffset:28;\tsize:4;\tsigned:0;\n\tfield:pid_t pid;\toffset:32;\tsize:4;\tsigned:1;\n" +
		"\tfield:u32 buf[];\toffset:36;\tsize:0;\tsigned:0;\n\nprint fmt: \"\"\n"
	for _, place := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} {
		h := tree(t, map[string]string{place + "/events/a/x/format": format, place + "/events/a/bad/format": "?"})
		got, err := h.Tracepoints()
		if diff := cmp.Diff([]resolve.Tracepoint{{Category: "a", Name: "bad"}, {Category: "a", Name: "x"}}, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", place, err, diff)
		}
		f, err := h.Format("a", "x")
		if err != nil {
			t.Fatal(err)
		}
		want := &resolve.Format{ID: 7, Fields: []resolve.FormatField{
			{Name: "common_type", Type: "unsigned short", Size: 2},
			{Name: "comm", Type: "char[16]", Offset: 8, Size: 16, Array: 16},
			{Name: "name", Type: "char[]", Offset: 24, Size: 4, DataLoc: true},
			{Name: "ids", Type: "u32[]", Offset: 28, Size: 4, RelLoc: true},
			{Name: "pid", Type: "pid_t", Offset: 32, Size: 4, Signed: true},
			{Name: "buf", Type: "u32[]", Offset: 36},
		}}
		if diff := cmp.Diff(want, f); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if again, err := h.Format("a", "x"); again != f || err != nil {
			t.Error("a format was read twice")
		}
		if _, err := h.Format("a", "absent"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a tracepoint that is not there: %v", err)
		}
		if _, err := h.Format("a", "bad"); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a damaged format: %v", err)
		}
	}
	h := tree(t, nil)
	var access *resolve.AccessError
	if _, err := h.Tracepoints(); !errors.As(err, &access) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(strings.Join(access.Hints(), " "), "mount -t tracefs") {
		t.Errorf("not mounted: %v", err)
	}
	if _, err := h.Format("a", "x"); !errors.As(err, &access) {
		t.Errorf("not mounted: %v", err)
	}
}

// TestAccess holds what an error of reading says: which file, what would help, and never that something forbidden is not there.
func TestAccess(t *testing.T) {
	denied := access("the kernel's tracepoints", "/sys/kernel/tracing", &fs.PathError{Op: "open", Path: "/x/y", Err: fs.ErrPermission}, "absent hint")
	var a *resolve.AccessError
	if !errors.As(denied, &a) || !errors.Is(denied, fs.ErrPermission) || errors.Is(denied, fs.ErrNotExist) {
		t.Fatalf("%v", denied)
	}
	if got, want := denied.Error(), "reading the kernel's tracepoints from /sys/kernel/tracing: permission denied"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if hints := a.Hints(); len(hints) != 1 || !strings.Contains(hints[0], "CAP_DAC_READ_SEARCH") {
		t.Errorf("hints %q", hints)
	}
	if again := access("something else", "/", denied); again != denied {
		t.Errorf("an error was wrapped twice: %v", again)
	}
	if access("x", "/", nil) != nil {
		t.Error("no error is an error")
	}
}

func TestSyscalls(t *testing.T) {
	list, err := tree(t, nil).Syscalls()
	if err != nil {
		t.Fatal(err)
	}
	sorted := slices.IsSortedFunc(list, func(a, b resolve.Syscall) int {
		if a.ABI != b.ABI {
			return -strings.Compare(string(a.ABI), string(b.ABI)) // x86_64 first
		}
		return strings.Compare(a.Name, b.Name)
	})
	if !sorted || len(list) < 800 {
		t.Errorf("%d calls, sorted %v", len(list), sorted)
	}
	for _, c := range list {
		if c.Name == "read" && len(c.Params) != 3 || c.ParamsErr != nil && c.Params != nil {
			t.Errorf("%+v", c)
		}
	}
}
