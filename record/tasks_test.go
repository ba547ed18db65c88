package record

import (
	"io/fs"
	"testing"

	"probetape/record/proc"
	"probetape/schemas"
)

// fakeProcs is a /proc of a few tasks, by thread id.
type fakeProcs map[uint32]proc.Task

func (f fakeProcs) Task(pid, tid uint32) (proc.Task, error) {
	t, ok := f[tid]
	if !ok || t.PID != pid {
		return proc.Task{}, fs.ErrNotExist
	}
	return t, nil
}

// event makes a task event.
func event(kind uint32, at, start int64, pid, tid, parent uint32, comm string) *schemas.WireTask {
	w := &schemas.WireTask{Kind: kind, Time: uint64(at), Start: uint64(start), PID: pid, TID: tid, Parent: parent}
	copy(w.Comm[:], comm)
	return w
}

func find(t *testing.T, list []schemas.Task, id schemas.TaskID) schemas.Task {
	t.Helper()
	for _, k := range list {
		if k.ID == id {
			return k
		}
	}
	t.Fatalf("task %d is not among those handed on: %+v", id, list)
	return schemas.Task{}
}

func TestForkExecExit(t *testing.T) {
	ts := newTasks(fakeProcs{}, nil)
	ts.seed(proc.Task{PID: 1, TID: 1, Comm: "init", Exe: "/sbin/init", Start: 0})
	ts.seed(proc.Task{PID: 10, TID: 10, Parent: 1, Comm: "sh", Exe: "/bin/sh", Start: 100 * proc.StartUnit})
	base := int64(200 * proc.StartUnit)
	ts.event(event(schemas.TaskFork, base, base, 20, 20, 10, "sh"), "")
	ts.event(event(schemas.TaskExec, base+50, base, 20, 20, 10, "ls"), "/bin/ls")
	ts.event(event(schemas.TaskExit, base+100, base, 20, 20, 10, "ls"), "")

	id := ts.Lookup(20, 20, base+60)
	got := find(t, ts.take(), id)
	if got.ParentPID != 10 || got.Start != base || got.Exit != base+100 {
		t.Errorf("task = %+v", got)
	}
	if n := got.NameAt(base + 10); n.Comm != "sh" || n.Exe != "/bin/sh" {
		t.Errorf("name before execve = %+v, want the parent's", n)
	}
	if n := got.NameAt(base + 60); n.Comm != "ls" || n.Exe != "/bin/ls" {
		t.Errorf("name after execve = %+v", n)
	}
}

// TestForkReadLast: the events of a short life come from two CPUs, whose buffers are read one after the other.
func TestForkReadLast(t *testing.T) {
	ts := newTasks(fakeProcs{}, nil)
	ts.seed(proc.Task{PID: 10, TID: 10, Comm: "sh", Exe: "/bin/sh", Start: 100})
	ts.event(event(schemas.TaskExec, 2000, 1000, 20, 20, 10, "ls"), "/bin/ls")
	ts.event(event(schemas.TaskExit, 3000, 1000, 20, 20, 10, "ls"), "")
	ts.event(event(schemas.TaskFork, 1000, 1000, 20, 20, 10, "sh"), "")
	early, late := ts.Lookup(20, 20, 1500), ts.Lookup(20, 20, 2500)
	if early != late {
		t.Fatalf("one task became two, %d and %d", early, late)
	}
	got := find(t, ts.take(), early)
	if got.NameAt(1500).Comm != "sh" || got.NameAt(2500).Comm != "ls" || got.Exit != 3000 || got.NameAt(1500).Exe != "/bin/sh" {
		t.Errorf("task = %+v", got)
	}
}

func TestParentsAreHandedOn(t *testing.T) {
	ts := newTasks(fakeProcs{}, nil)
	ts.seed(proc.Task{PID: 1, TID: 1, Comm: "init"})
	ts.seed(proc.Task{PID: 10, TID: 10, Parent: 1, Comm: "sshd", Start: 5})
	ts.seed(proc.Task{PID: 20, TID: 20, Parent: 10, Comm: "bash", Start: 6})
	ts.seed(proc.Task{PID: 20, TID: 21, Parent: 10, Comm: "worker", Start: 7})
	ts.seed(proc.Task{PID: 30, TID: 30, Parent: 1, Comm: "cron", Start: 8})
	ts.Lookup(20, 21, 1000)
	got := map[string]bool{}
	for _, k := range ts.take() {
		got[k.Names[0].Comm] = true
	}
	for _, want := range []string{"worker", "bash", "sshd", "init"} {
		if !got[want] {
			t.Errorf("%s is missing: the capture must hold a task's process and its parents", want)
		}
	}
	if got["cron"] {
		t.Error("cron made no event and is no parent: it takes place in the capture")
	}
	if more := ts.take(); len(more) != 0 {
		t.Errorf("nothing changed, and %d tasks are handed on again", len(more))
	}
}

func TestReusedThreadID(t *testing.T) {
	ts := newTasks(fakeProcs{}, nil)
	ts.event(event(schemas.TaskFork, 1000, 1000, 20, 20, 1, "first"), "")
	ts.event(event(schemas.TaskExit, 2000, 1000, 20, 20, 1, "first"), "")
	ts.event(event(schemas.TaskFork, 3000, 3000, 20, 20, 1, "second"), "")
	first, second := ts.Lookup(20, 20, 1500), ts.Lookup(20, 20, 3500)
	if first == second {
		t.Fatal("two tasks that had the same thread id are one")
	}
	if again := ts.Lookup(20, 20, 1999); again != first {
		t.Errorf("a late record of the first is given task %d, want %d", again, first)
	}
	list := ts.take()
	if n := find(t, list, first).Names[0].Comm; n != "first" {
		t.Errorf("first is called %q", n)
	}
	ts.forget(2500)
	if len(ts.exited) != 0 {
		t.Error("a task whose records have all been read is still remembered")
	}
	if got := ts.Lookup(20, 20, 3600); got != second {
		t.Errorf("after forgetting the first, the second is task %d, want %d", got, second)
	}
}

func TestExecFromThread(t *testing.T) {
	ts := newTasks(fakeProcs{}, nil)
	ts.event(event(schemas.TaskFork, 1000, 1000, 20, 20, 1, "old"), "")
	ts.event(event(schemas.TaskFork, 1100, 1100, 20, 25, 1, "thread"), "")
	leader, thread := ts.Lookup(20, 20, 1200), ts.Lookup(20, 25, 1200)
	ts.event(event(schemas.TaskExit, 1900, 1000, 20, 20, 1, "old"), "")
	exec := event(schemas.TaskExec, 2000, 1100, 20, 20, 1, "new")
	exec.OldTID = 25
	ts.event(exec, "/bin/new")
	after := ts.Lookup(20, 20, 2100)
	if after == leader || after == thread {
		t.Fatalf("the program run from the thread is task %d, one of those that ended (%d, %d)", after, leader, thread)
	}
	list := ts.take()
	if got := find(t, list, thread); got.Exit != 2000 {
		t.Errorf("the thread ended at %d, want 2000", got.Exit)
	}
	if got := find(t, list, leader); got.Exit != 1900 {
		t.Errorf("the first thread ended at %d, want 1900", got.Exit)
	}
	if got := find(t, list, after); got.Names[0].Comm != "new" || got.Names[0].Exe != "/bin/new" {
		t.Errorf("the new task is %+v", got)
	}
}

func TestRenames(t *testing.T) {
	ts := newTasks(fakeProcs{}, nil)
	ts.event(event(schemas.TaskFork, 1000, 1000, 20, 20, 1, "a"), "")
	ts.event(event(schemas.TaskRename, 3000, 1000, 20, 20, 1, "c"), "")
	ts.event(event(schemas.TaskRename, 2000, 1000, 20, 20, 1, "b"), "") // from another CPU, read later
	id := ts.Lookup(20, 20, 1500)
	got := find(t, ts.take(), id)
	for at, want := range map[int64]string{1500: "a", 2500: "b", 3500: "c"} {
		if n := got.NameAt(at).Comm; n != want {
			t.Errorf("at %d the task is called %q, want %q", at, n, want)
		}
	}
	for i := range 3 * maxNames {
		ts.event(event(schemas.TaskRename, int64(4000+i), 1000, 20, 20, 1, string(rune('a'+i%2))), "")
	}
	names := ts.byTID[20].Names
	if len(names) > maxNames || names[0].Comm != "a" || names[len(names)-1].From != int64(4000+3*maxNames-1) {
		t.Errorf("%d names are kept, from %+v to %+v", len(names), names[0], names[len(names)-1])
	}
}

func TestUnknownTask(t *testing.T) {
	procs := fakeProcs{30: {PID: 30, TID: 30, Parent: 1, Comm: "known", Start: 500}}
	ts := newTasks(procs, nil)
	alive, dead := ts.Lookup(30, 30, 1000), ts.Lookup(31, 31, 1000)
	list := ts.take()
	if got := find(t, list, alive); got.Names[0].Comm != "known" || got.ParentPID != 1 {
		t.Errorf("a task that /proc shows is %+v", got)
	}
	if got := find(t, list, dead); got.PID != 31 || len(got.Names) != 0 {
		t.Errorf("a task that nothing shows is %+v", got)
	}
	idleID := ts.Lookup(0, 0, 1000)
	if idle := find(t, ts.take(), idleID); idle.Names[0].Comm != "swapper" || !idle.Kernel {
		t.Errorf("the idle task is %+v", idle)
	}
	// /proc shows a younger task of that id: it is not the one.
	procs[32] = proc.Task{PID: 32, TID: 32, Comm: "younger", Start: 9000}
	old := ts.Lookup(32, 32, 1000)
	if got := find(t, ts.take(), old); len(got.Names) != 0 {
		t.Errorf("the record is laid to a task that began after it: %+v", got)
	}
}

// TestCausality: the fork is still in the task buffer when the first record of the new thread is decoded.
func TestCausality(t *testing.T) {
	ts := newTasks(fakeProcs{}, nil)
	reads := 0
	ts.fresh = func() (int64, error) {
		reads++
		if reads == 1 {
			ts.event(event(schemas.TaskFork, 1000, 1000, 20, 20, 1, "child"), "")
		}
		return 5000, nil
	}
	id := ts.Lookup(20, 20, 1100)
	if got := find(t, ts.take(), id); len(got.Names) == 0 || got.Names[0].Comm != "child" {
		t.Errorf("the task is %+v: its fork was not read first", got)
	}
	ts.Lookup(20, 20, 4999)
	if reads != 1 {
		t.Errorf("the task buffers were read %d times, want once: the second record was covered", reads)
	}
	ts.Lookup(20, 20, 5000)
	if reads != 2 {
		t.Errorf("the task buffers were read %d times, want twice", reads)
	}
}

func TestTargetFlag(t *testing.T) {
	ts := newTasks(fakeProcs{}, func(id uint64) string { return map[uint64]string{7: "/a"}[id] })
	w := event(schemas.TaskFork, 1000, 1000, 20, 20, 1, "child")
	w.Flags, w.Cgroup = schemas.TaskFlagTarget, 7
	ts.event(w, "")
	list := ts.take()
	if len(list) != 1 || !list[0].Target || list[0].Cgroup != "/a" {
		t.Errorf("a target's child is %+v; want it handed on, as a target, with its cgroup", list)
	}
}

func BenchmarkLookup(b *testing.B) {
	ts := newTasks(fakeProcs{}, nil)
	for tid := range uint32(64) {
		ts.event(event(schemas.TaskFork, 1000, 1000, tid+1, tid+1, 1, "x"), "")
	}
	ts.freshTo = 1 << 62
	b.ReportAllocs()
	for i := range b.N {
		ts.Lookup(uint32(i&63)+1, uint32(i&63)+1, 2000)
	}
}
