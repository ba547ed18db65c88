package proc

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// NoSyscall is the number of a task that is in no system call.
const NoSyscall = -1

// Waiting is what a task is doing in the kernel.
type Waiting struct {
	State   byte
	Ran     uint64 // how often it has been switched away from so far; the same number twice: it has not run between
	Syscall int    // its number, or NoSyscall
	Args    []uint64
	Compat  bool     // a 32-bit program: the number is of its own table
	Wchan   string   // the kernel function it sleeps in
	Stack   []string // kernel functions, innermost first
	Notes   []string // what could not be read, and why
}

// Waiting reads what a task is doing in the kernel. What the reader may not see is named in Notes; a task that has ended is
// fs.ErrNotExist.
func (f FS) Waiting(pid, tid uint32) (Waiting, error) {
	dir := path.Join(name(pid), "task", name(tid))
	stat, err := f.read(dir, "stat")
	if err != nil {
		return Waiting{}, err
	}
	var t Task
	if err := t.parseStat(stat); err != nil {
		return Waiting{}, err
	}
	status, err := f.read(dir, "status")
	if err != nil {
		return Waiting{}, err
	}
	w := Waiting{State: t.State, Ran: switches(status), Syscall: NoSyscall}
	for _, part := range []struct {
		file string
		take func(text string)
	}{
		{"syscall", w.takeSyscall},
		{"wchan", w.takeWchan},
		{"stack", w.takeStack},
	} {
		text, err := f.read(dir, part.file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if _, statErr := f.read(dir, "stat"); statErr != nil {
				return Waiting{}, statErr
			}
			w.Notes = append(w.Notes, part.file+": not in this kernel's /proc")
		case err != nil:
			w.Notes = append(w.Notes, part.file+": "+cause(err))
		default:
			part.take(string(bytes.TrimSpace(text)))
		}
	}
	if w.Syscall != NoSyscall {
		w.Compat = f.is32bit(pid)
	}
	return w, nil
}

// switches adds up the context switches that a task made and suffered.
func switches(status []byte) uint64 {
	var sum uint64
	for _, key := range []string{"voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"} {
		value, _ := statusLine(status, key)
		if n, err := strconv.ParseUint(value, 10, 64); err == nil {
			sum += n
		}
	}
	return sum
}

// cause is an error without the path, which the note has already.
func cause(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// takeSyscall reads "running", "-1 SP PC" (in the kernel, but in no system call), or "NUMBER ARG0 .. ARG5 SP PC".
func (w *Waiting) takeSyscall(text string) {
	fields := strings.Fields(text)
	if len(fields) < 9 {
		return
	}
	number, err := strconv.Atoi(fields[0])
	if err != nil || number < 0 {
		return
	}
	args := make([]uint64, 0, 6)
	for _, f := range fields[1:7] {
		v, err := strconv.ParseUint(strings.TrimPrefix(f, "0x"), 16, 64)
		if err != nil {
			return
		}
		args = append(args, v)
	}
	w.Syscall, w.Args = number, args
}

// takeWchan reads the function's name; "0" is a task that does not sleep.
func (w *Waiting) takeWchan(text string) {
	if text != "0" {
		w.Wchan = text
	}
}

// maxStack bounds the frames kept: the kernel shows at most 64 (MAX_STACK_TRACE_DEPTH).
const maxStack = 64

// takeStack reads lines such as "[<0>] do_nanosleep+0x75/0x1b0".
func (w *Waiting) takeStack(text string) {
	for line := range strings.Lines(text) {
		_, frame, ok := strings.Cut(strings.TrimSpace(line), "] ")
		if !ok || len(w.Stack) == maxStack {
			continue
		}
		function, _, _ := strings.Cut(frame, "+0x")
		w.Stack = append(w.Stack, function)
	}
}

// is32bit reports whether a process runs a 32-bit program: byte 4 of an ELF file is its class (1: 32 bits).
func (f FS) is32bit(pid uint32) bool {
	exe, err := os.Open(path.Join(f.Root, name(pid), "exe"))
	if err != nil {
		return false // not readable: nearly every program is a 64-bit one
	}
	var head [5]byte
	n, readErr := exe.ReadAt(head[:], 0)
	if closeErr := exe.Close(); closeErr != nil || readErr != nil {
		return false
	}
	return n == len(head) && string(head[:4]) == "\x7fELF" && head[4] == 1
}
