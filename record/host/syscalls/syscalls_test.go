package syscalls

import (
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"probetape/schemas"
)

var abis = []schemas.ABI{schemas.ABIx8664, schemas.ABIi386}

func find(t *testing.T, abi schemas.ABI, name string) Call {
	t.Helper()
	for _, c := range Table(abi) {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("%s has no %s", abi, name)
	return Call{}
}

func TestTable(t *testing.T) {
	for _, abi := range abis {
		calls := Table(abi)
		if !slices.IsSortedFunc(calls, func(a, b Call) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%s is not sorted by name", abi)
		}
		numbers := map[int32]string{}
		for i, c := range calls {
			if i > 0 && calls[i-1].Name == c.Name {
				t.Errorf("%s has %s twice", abi, c.Name)
			}
			if other, ok := numbers[c.Number]; ok {
				t.Errorf("%s: %s and %s have the number %d", abi, other, c.Name, c.Number)
			}
			numbers[c.Number] = c.Name
			if c.Number < 0 || c.Number >= schemas.SyscallSlotsPerABI {
				t.Errorf("%s: %s has the number %d", abi, c.Name, c.Number)
			}
			if len(c.Params) > 6 || c.Unknown != nil && c.Params != nil {
				t.Errorf("%s: %s has parameters %v, %v", abi, c.Name, c.Params, c.Unknown)
			}
			for _, p := range c.Params {
				if p.Name == "" || p.Type == "" || strings.Contains(p.Name, "*") {
					t.Errorf("%s: %s has a parameter %+v", abi, c.Name, p)
				}
			}
		}
		if len(calls) < 380 {
			t.Errorf("%s has %d calls", abi, len(calls))
		}
	}
	if Table("arm64") != nil {
		t.Error("a table of an ABI that has none")
	}
}

func TestKnownCalls(t *testing.T) {
	for _, c := range []struct {
		abi    schemas.ABI
		name   string
		number int32
		params string // "?": not known
	}{
		{schemas.ABIx8664, "read", 0, "unsigned int fd, char * buf, size_t count"},
		{schemas.ABIx8664, "openat", 257, "int dfd, const char * filename, int flags, umode_t mode"},
		{schemas.ABIx8664, "newfstatat", 262, "int dfd, const char * filename, struct stat * statbuf, int flag"},
		{schemas.ABIx8664, "stat", 4, "const char * filename, struct stat * statbuf"}, // the kernel calls it newstat
		{schemas.ABIx8664, "uname", 63, "struct new_utsname * name"},
		{schemas.ABIx8664, "umount2", 166, "char * name, int flags"},
		{schemas.ABIx8664, "sendfile", 40, "int out_fd, int in_fd, loff_t * offset, size_t count"},
		{schemas.ABIx8664, "pread64", 17, "unsigned int fd, char * buf, size_t count, loff_t pos"},
		{schemas.ABIx8664, "exit_group", 231, "int error_code"},
		{schemas.ABIx8664, "rt_sigreturn", 15, ""},
		{schemas.ABIx8664, "arch_prctl", 158, "int option, unsigned long arg2"},
		{schemas.ABIx8664, "mmap", 9, "unsigned long addr, unsigned long len, unsigned long prot, unsigned long flags, unsigned long fd, unsigned long off"},
		{schemas.ABIx8664, "clone", 56, "unsigned long clone_flags, unsigned long newsp, int * parent_tidptr, int * child_tidptr, unsigned long tls"},
		{schemas.ABIx8664, "bpf", 321, "int cmd, union bpf_attr * uattr, unsigned int size"}, // two more since 7.x
		{schemas.ABIx8664, "uretprobe", 335, ""},
		{schemas.ABIx8664, "init_module", 175, "void * umod, unsigned long len, const char * uargs"},
		{schemas.ABIx8664, "tuxcall", 184, "?"},
		{schemas.ABIx8664, "fchroot", 472, "int fd, unsigned int flags"},
		{schemas.ABIi386, "read", 3, "unsigned int fd, char * buf, unsigned int count"},
		{schemas.ABIi386, "mmap", 90, "void * arg"},
		{schemas.ABIi386, "mmap2", 192, "unsigned int addr, unsigned int len, unsigned int prot, unsigned int flags, unsigned int fd, unsigned int pgoff"},
		{schemas.ABIi386, "clone", 120, "unsigned int clone_flags, unsigned int newsp, int * parent_tidptr, unsigned int tls, int * child_tidptr"},
		{schemas.ABIi386, "socketcall", 102, "int call, unsigned int * args"},
		{schemas.ABIi386, "clock_gettime", 265, "const clockid_t which_clock, void * tp"}, // a timespec of 32 bits
		{schemas.ABIi386, "clock_gettime64", 403, "const clockid_t which_clock, struct __kernel_timespec * tp"},
		{schemas.ABIi386, "pread64", 180, "unsigned int fd, char * buf, unsigned int count, unsigned int poslo, unsigned int poshi"},
		{schemas.ABIi386, "fanotify_mark", 339, "int fanotify_fd, unsigned int flags, unsigned int mask0, unsigned int mask1, int dfd, const char * pathname"},
		{schemas.ABIi386, "chown", 182, "const char * filename, unsigned short user, unsigned short group"},
		{schemas.ABIi386, "chown32", 212, "const char * filename, uid_t user, gid_t group"},
		{schemas.ABIi386, "ftime", 35, "?"},
		{schemas.ABIi386, "execve", 11, "const char * filename, const void * argv, const void * envp"},
	} {
		got := find(t, c.abi, c.name)
		var params []string
		for _, p := range got.Params {
			params = append(params, p.Type+" "+p.Name)
		}
		text := strings.Join(params, ", ")
		if got.Unknown != nil {
			text = "?"
		}
		if got.Number != c.number || text != c.params {
			t.Errorf("%s %s: number %d, parameters %q; want %d, %q", c.abi, c.name, got.Number, text, c.number, c.params)
		}
	}
}

// TestWords holds that no i386 parameter has a type whose size differs from what a program of 32 bits passes.
func TestWords(t *testing.T) {
	wide := regexp.MustCompile(`\b(long|size_t|ssize_t|off_t|__u64|u64|aio_context_t|iovec|timespec|timeval|stat|msghdr|rusage|sigset_t)\b`)
	for _, c := range Table(schemas.ABIi386) {
		for _, p := range c.Params {
			// Pointers to 64-bit numbers and times are the same for both.
			if p.Type == "u64 *" || p.Type == "struct __kernel_timespec *" || p.Type == "const struct __kernel_timespec *" {
				continue
			}
			if wide.MatchString(p.Type) {
				t.Errorf("%s: %s %s", c.Name, p.Type, p.Name)
			}
		}
	}
}

// TestHeaders holds the tables against the headers that are installed: every call of theirs is in ours, with its number.
func TestHeaders(t *testing.T) {
	if runtime.GOOS != "linux" {
		return
	}
	define := regexp.MustCompile(`(?m)^#define __NR_(\w+)\s+(\d+)\s*$`)
	for abi, file := range map[schemas.ABI]string{schemas.ABIx8664: "unistd_64.h", schemas.ABIi386: "unistd_32.h"} {
		text, err := os.ReadFile("/usr/include/x86_64-linux-gnu/asm/" + file)
		if err != nil {
			t.Skip("needs program gcc, with the kernel's headers:", err)
		}
		found := define.FindAllStringSubmatch(string(text), -1)
		for _, m := range found {
			if n, err := strconv.Atoi(m[2]); err != nil || find(t, abi, m[1]).Number != int32(n) {
				t.Errorf("%s %s: %d, in the header %s", abi, m[1], find(t, abi, m[1]).Number, m[2])
			}
		}
		if len(found) < 350 {
			t.Errorf("%s defines %d calls", file, len(found))
		}
	}
}

func TestDamagedTable(t *testing.T) {
	for _, bad := range []string{"read\n", "read\tx\n", "\t1\tint a\n", "read\t0\tint\n", "read\t99999999999\n"} {
		if calls, err := parse(bad, nil); err == nil {
			t.Errorf("%q: %v", bad, calls)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(tableX8664, ErrNeverBuilt); err != nil {
			b.Fatal(err)
		}
	}
}
