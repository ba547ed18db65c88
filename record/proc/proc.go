// Package proc reads what /proc knows of tasks: who they are, whose children, and what they wait for.
//
// It imports the standard library only. It reads text files, so it is tested on any system from recorded trees; a task that ends
// while it is read is fs.ErrNotExist, never half a task.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// FS is a proc file system.
type FS struct{ Root string }

// Mounted is where Linux keeps it.
const Mounted = "/proc"

// Task is one thread as /proc shows it.
type Task struct {
	PID    uint32 // thread group
	TID    uint32
	Parent uint32 // thread group of the parent
	UID    uint32 // effective
	Comm   string
	Exe    string // path of the executable; empty: a kernel thread, or not readable
	Cgroup string // path in the version 2 hierarchy; empty: none
	State  byte   // R, S, D, T, t, Z, X, I, ...
	Kernel bool   // a kernel thread
	Start  int64  // boot clock, ns, rounded down to StartUnit
}

// StartUnit is how exact Start is, in ns: /proc tells it in ticks of USER_HZ, which is 100 on every architecture of ours.
const StartUnit = 10_000_000

// Alive reports whether the task still runs code: it is neither a zombie nor dead.
func (t *Task) Alive() bool { return t.State != 'Z' && t.State != 'X' && t.State != 'x' }

// flagKthread is PF_KTHREAD of include/linux/sched.h.
const flagKthread = 0x00200000

// Processes returns the ids of all processes, in order.
func (f FS) Processes() ([]uint32, error) { return f.numbers(".") }

// Threads returns the thread ids of a process, in order.
func (f FS) Threads(pid uint32) ([]uint32, error) { return f.numbers(name(pid) + "/task") }

func name(id uint32) string { return strconv.FormatUint(uint64(id), 10) }

func (f FS) numbers(dir string) ([]uint32, error) {
	d, err := os.Open(path.Join(f.Root, dir))
	if err != nil {
		return nil, gone(err)
	}
	names, err := d.Readdirnames(-1)
	if err := errors.Join(gone(err), d.Close()); err != nil {
		return nil, err
	}
	ids := make([]uint32, 0, len(names))
	for _, n := range names {
		if id, err := strconv.ParseUint(n, 10, 32); err == nil {
			ids = append(ids, uint32(id))
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// gone makes the error of reading a task that has just ended (ESRCH) the one of a task that is not there.
func gone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return fs.ErrNotExist
	}
	return err
}

// read returns a small file of /proc.
func (f FS) read(parts ...string) ([]byte, error) {
	text, err := os.ReadFile(path.Join(f.Root, path.Join(parts...)))
	return text, gone(err)
}

// Task reads one thread of a process. pid 0 stands for the process that tid belongs to.
func (f FS) Task(pid, tid uint32) (Task, error) {
	if pid == 0 {
		var err error
		if pid, err = f.group(tid); err != nil {
			return Task{}, err
		}
	}
	dir := name(pid) + "/task/" + name(tid)
	stat, err := f.read(dir, "stat")
	if err != nil {
		return Task{}, err
	}
	t := Task{PID: pid, TID: tid}
	if err := t.parseStat(stat); err != nil {
		return Task{}, fmt.Errorf("reading %s/stat: %w", dir, err)
	}
	status, err := f.read(dir, "status")
	if err != nil {
		return Task{}, err
	}
	if t.UID, err = effectiveUID(status); err != nil {
		return Task{}, fmt.Errorf("reading %s/status: %w", dir, err)
	}
	if !t.Kernel {
		// Neither is there for a zombie, nor readable for everybody: a task without them is still a task.
		if exe, err := os.Readlink(path.Join(f.Root, name(pid), "exe")); err == nil {
			t.Exe = strings.TrimSuffix(exe, " (deleted)")
		}
	}
	if groups, err := f.read(dir, "cgroup"); err == nil {
		t.Cgroup = unifiedCgroup(groups)
	}
	return t, nil
}

// group returns the process that a thread belongs to.
func (f FS) group(tid uint32) (uint32, error) {
	status, err := f.read(name(tid), "status")
	if err != nil {
		return 0, err
	}
	value, ok := statusLine(status, "Tgid")
	if !ok {
		return 0, fmt.Errorf("reading %d/status: no Tgid line", tid)
	}
	id, err := strconv.ParseUint(value, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("reading %d/status: process id %q", tid, value)
	}
	return uint32(id), nil
}

// parseStat reads the line of stat. The name may hold spaces and parentheses: its end is the last closing one.
func (t *Task) parseStat(text []byte) error {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return errors.New("no name in parentheses")
	}
	t.Comm = string(text[open+1 : end])
	const flags, start, least = 6, 19, 20 // fields 9 and 22 of proc(5), counted from the state
	fields := bytes.Fields(text[end+1:])
	if len(fields) < least || len(fields[0]) != 1 {
		return fmt.Errorf("%d fields, want at least %d", len(fields), least)
	}
	t.State = fields[0][0]
	parent, err := strconv.ParseUint(string(fields[1]), 10, 32)
	if err != nil {
		return fmt.Errorf("parent %q", fields[1])
	}
	bits, err := strconv.ParseUint(string(fields[flags]), 10, 64)
	if err != nil {
		return fmt.Errorf("flags %q", fields[flags])
	}
	ticks, err := strconv.ParseInt(string(fields[start]), 10, 64)
	if err != nil {
		return fmt.Errorf("start time %q", fields[start])
	}
	t.Parent, t.Kernel, t.Start = uint32(parent), bits&flagKthread != 0, ticks*StartUnit
	return nil
}

func statusLine(text []byte, key string) (string, bool) {
	for line := range bytes.Lines(text) {
		if k, v, ok := bytes.Cut(line, []byte(":")); ok && string(k) == key {
			return string(bytes.TrimSpace(v)), true
		}
	}
	return "", false
}

func effectiveUID(status []byte) (uint32, error) {
	value, _ := statusLine(status, "Uid")
	fields := strings.Fields(value)
	if len(fields) != 4 {
		return 0, fmt.Errorf("user ids %q", value)
	}
	id, err := strconv.ParseUint(fields[1], 10, 32)
	if err != nil {
		return 0, fmt.Errorf("user id %q", fields[1])
	}
	return uint32(id), nil
}

func unifiedCgroup(text []byte) string {
	for line := range bytes.Lines(text) {
		if p, ok := bytes.CutPrefix(line, []byte("0::")); ok {
			return string(bytes.TrimSpace(p))
		}
	}
	return ""
}

// Each hands every task to fn, by process and thread id; those that end meanwhile are left out.
func (f FS) Each(fn func(Task) error) error {
	pids, err := f.Processes()
	if err != nil {
		return fmt.Errorf("listing processes: %w", err)
	}
	for _, pid := range pids {
		if err := f.EachThread(pid, fn); err != nil {
			return err
		}
	}
	return nil
}

// EachThread hands every thread of a process to fn; those that end meanwhile are left out.
func (f FS) EachThread(pid uint32, fn func(Task) error) error {
	tids, err := f.Threads(pid)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing threads of process %d: %w", pid, err)
	}
	for _, tid := range tids {
		t, err := f.Task(pid, tid)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := fn(t); err != nil {
			return err
		}
	}
	return nil
}

// Descendants returns the processes that descend from roots, the roots left out, in order.
func (f FS) Descendants(roots []uint32) ([]uint32, error) {
	pids, err := f.Processes()
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	children := map[uint32][]uint32{}
	for _, pid := range pids {
		stat, err := f.read(name(pid), "stat")
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading parent of process %d: %w", pid, err)
		}
		var t Task
		if err := t.parseStat(stat); err != nil {
			return nil, fmt.Errorf("reading %d/stat: %w", pid, err)
		}
		children[t.Parent] = append(children[t.Parent], pid)
	}
	seen := map[uint32]bool{}
	for _, r := range roots {
		seen[r] = true
	}
	var found []uint32
	for queue := slices.Clone(roots); len(queue) > 0; queue = queue[1:] {
		for _, c := range children[queue[0]] {
			if !seen[c] {
				seen[c] = true
				found = append(found, c)
				queue = append(queue, c)
			}
		}
	}
	slices.Sort(found)
	return found, nil
}
