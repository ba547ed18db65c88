package record

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"probetape/record/proc"
	"probetape/schemas"
)

// procReader reads one task of /proc; proc.FS is one.
type procReader interface {
	Task(pid, tid uint32) (proc.Task, error)
}

// tasks is the table of all threads that the recording may meet. It answers which task had a thread id at a time, and hands on, for
// the capture, the tasks that events refer to, their processes' parents, and the targets: no others, so that a busy host's thousands
// of idle threads take no place. A task's id is given out when it is first wanted, so ids are dense.
//
// A task that exited is forgotten when no record of its life can arrive any more.
type tasks struct {
	procs procReader
	// fresh brings in all task events that happened before now and returns now; see Lookup.
	fresh   func() (int64, error)
	freshTo int64 // every task event before this time of the boot clock is in the table
	err     error // of fresh, kept for the recorder: Lookup has no way to return it

	byTID   map[uint32]*task // the newest incarnation
	recent  [recentTasks]*task
	nextID  schemas.TaskID
	changed []*task // to be handed on
	exited  []*task // in the order of their exits
	cgroups func(id uint64) string
}

// recentTasks is the size of the direct-mapped cache in front of byTID; a power of two.
const recentTasks = 256

// task is one incarnation of a thread id.
type task struct {
	schemas.Task // ID is NoTask until somebody wants it
	from         int64
	older        *task
	parent       uint32 // thread id of the parent process's first thread
	wanted       bool
	dirty        bool
	gone         bool // forgotten: the cache must not answer with it
	waited       bool // it was asked what it waits for when the recording began,
	ranBefore    uint64
}

func newTasks(procs procReader, cgroups func(uint64) string) *tasks {
	return &tasks{procs: procs, cgroups: cgroups, byTID: map[uint32]*task{}}
}

// Lookup returns the task that had thread id tid of process pid at a time of the boot clock. It satisfies decode.Tasks.
//
// A record can become visible before the fork that made its thread has been read from the task buffer, but never before it was
// written there. So a record from a time that the task events read so far do not cover makes them be read first.
func (t *tasks) Lookup(pid, tid uint32, boot int64) schemas.TaskID {
	if boot >= t.freshTo && t.fresh != nil && t.err == nil {
		to, err := t.fresh()
		if err != nil {
			t.err = err
		}
		t.freshTo = max(t.freshTo, to)
	}
	slot := &t.recent[tid&(recentTasks-1)]
	if k := *slot; k != nil && k.TID == tid && k.PID == pid && !k.gone && k.from <= boot && (k.Exit == 0 || boot <= k.Exit) {
		return k.ID
	}
	k := t.at(pid, tid, boot)
	t.want(k)
	*slot = k
	return k.ID
}

// at returns the incarnation of a thread id at a time, making one where none is known.
func (t *tasks) at(pid, tid uint32, boot int64) *task {
	newest := t.byTID[tid]
	var after *task // the oldest incarnation that began after boot
	k := newest
	for k != nil && k.from > boot {
		after, k = k, k.older
	}
	if k != nil && k.PID == pid {
		return k
	}
	// Not known: its creation was before the recording and /proc did not show it, or the event of its creation was lost.
	made := t.unknown(pid, tid, boot)
	if k != nil {
		made.from = boot // another process had the id before
	}
	made.older = k
	if after == nil {
		t.byTID[tid] = made
	} else {
		after.older = made
	}
	return made
}

// unknown makes a task from what /proc still knows of it, which may be nothing.
func (t *tasks) unknown(pid, tid uint32, boot int64) *task {
	k := &task{Task: schemas.Task{ID: schemas.NoTask, PID: pid, TID: tid}}
	if pid == 0 && tid == 0 {
		// The idle tasks, one for each CPU, share this id, and /proc shows none of them.
		k.Kernel, k.Names = true, []schemas.TaskName{{Comm: "swapper"}}
		return k
	}
	seen, err := t.procs.Task(pid, tid)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && seen.Start > boot) {
		return k // it has ended, or its id is another's by now
	}
	if err != nil {
		t.err = errors.Join(t.err, err)
		return k
	}
	k.fill(seen)
	return k
}

// fill takes what /proc shows of the task.
func (k *task) fill(seen proc.Task) {
	k.from, k.Start = seen.Start, seen.Start
	k.ParentPID, k.parent = seen.Parent, seen.Parent
	k.UID, k.Cgroup, k.Kernel = seen.UID, seen.Cgroup, seen.Kernel
	k.Names = []schemas.TaskName{{From: seen.Start, Comm: seen.Comm, Exe: seen.Exe}}
}

// seed adds a task as /proc shows it, unless a task event has told of it already.
func (t *tasks) seed(seen proc.Task) *task {
	if k := t.byTID[seen.TID]; k != nil && k.PID == seen.PID && k.Exit == 0 && k.from/proc.StartUnit >= seen.Start/proc.StartUnit {
		if k.Start == 0 || k.Names == nil {
			k.fill(seen)
			t.touch(k)
		}
		return k
	}
	k := &task{Task: schemas.Task{ID: schemas.NoTask, PID: seen.PID, TID: seen.TID}, older: t.byTID[seen.TID]}
	k.fill(seen)
	t.byTID[seen.TID] = k
	return k
}

// want gives a task its id, and its process's parents theirs, so that the capture holds them.
func (t *tasks) want(k *task) {
	// A chain of parents is as long as the processes are nested. The bound is for chains that lost events have knotted.
	for range 64 {
		if k == nil || k.wanted {
			return
		}
		k.ID = t.nextID
		t.nextID++
		k.wanted = true
		t.touch(k)
		if leader := t.byTID[k.PID]; leader != nil && leader.PID == k.PID {
			t.wantOne(leader)
		}
		k = t.byTID[k.parent]
	}
}

func (t *tasks) wantOne(k *task) {
	if !k.wanted {
		k.ID = t.nextID
		t.nextID++
		k.wanted = true
		t.touch(k)
	}
}

// touch puts a task among those to be handed on.
func (t *tasks) touch(k *task) {
	if k.wanted && !k.dirty {
		k.dirty = true
		t.changed = append(t.changed, k)
	}
}

// target marks a task as matched by -p, --cgroup or the command.
func (t *tasks) target(k *task) {
	k.Target = true
	t.want(k)
	t.touch(k)
}

// alive returns the newest incarnation of a thread id where it has not exited.
func (t *tasks) alive(tid uint32) *task {
	if k := t.byTID[tid]; k != nil && k.Exit == 0 {
		return k
	}
	return nil
}

// event takes one task event. Events of one CPU come in order; between CPUs the times decide.
func (t *tasks) event(w *schemas.WireTask, exe string) {
	boot := int64(w.Time)
	comm := cString(w.Comm[:])
	switch w.Kind {
	case schemas.TaskFork:
		t.fork(w, boot, comm)
	case schemas.TaskExec:
		t.exec(w, boot, comm, exe)
	case schemas.TaskRename:
		k := t.current(w, boot)
		k.name(schemas.TaskName{From: boot, Comm: comm})
		t.touch(k)
	case schemas.TaskExit:
		k := t.current(w, boot)
		if k.Names == nil {
			k.Names = []schemas.TaskName{{From: k.from, Comm: comm}}
		}
		t.exit(k, boot)
	}
}

func cString(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// fork adds a new task. Its name, executable and cgroup are its parent's until it says otherwise.
func (t *tasks) fork(w *schemas.WireTask, boot int64, comm string) {
	for k := t.byTID[w.TID]; k != nil; k = k.older {
		if k.PID == w.PID && k.from == int64(w.Start) {
			// Other events of the task, even its exit, came from another CPU's buffer, which was read first.
			k.name(schemas.TaskName{From: k.from, Comm: comm})
			t.adopt(k, w)
			return
		}
	}
	k := &task{
		Task:  schemas.Task{ID: schemas.NoTask, PID: w.PID, TID: w.TID},
		older: t.byTID[w.TID],
		from:  int64(w.Start),
	}
	k.Names = []schemas.TaskName{{From: k.from, Comm: comm}}
	t.adopt(k, w)
	if k.from == 0 {
		k.from = boot
	}
	t.byTID[w.TID] = k
}

// adopt takes what every event tells of a task.
func (t *tasks) adopt(k *task, w *schemas.WireTask) {
	k.Start = int64(w.Start)
	if w.Parent != 0 || k.ParentPID == 0 {
		k.ParentPID, k.parent = w.Parent, w.Parent
	}
	k.UID = w.UID
	k.Kernel = w.Flags&schemas.TaskFlagKernel != 0
	if t.cgroups != nil {
		if path := t.cgroups(w.Cgroup); path != "" {
			k.Cgroup = path
		}
	}
	if len(k.Names) > 0 && k.Names[0].Exe == "" {
		for _, tid := range [...]uint32{k.PID, k.parent} {
			if from := t.byTID[tid]; from != nil && from != k {
				k.Names[0].Exe = from.NameAt(k.from).Exe
				break
			}
		}
	}
	if w.Flags&schemas.TaskFlagTarget != 0 && !k.Target {
		t.target(k)
	}
	t.touch(k)
}

// exec gives a task its new name and executable. When a thread other than the first calls execve, the kernel ends all others and gives
// the caller the first one's id: in the capture the caller's task ends there, and a new one begins under the process's id.
func (t *tasks) exec(w *schemas.WireTask, boot int64, comm, exe string) {
	if w.OldTID != 0 && w.OldTID != w.TID {
		if old := t.alive(w.OldTID); old != nil {
			t.exit(old, boot)
		}
		if leader := t.alive(w.TID); leader != nil {
			t.exit(leader, boot)
		}
		k := &task{Task: schemas.Task{ID: schemas.NoTask, PID: w.PID, TID: w.TID}, older: t.byTID[w.TID], from: boot}
		k.Names = []schemas.TaskName{{From: boot, Comm: comm, Exe: exe}}
		t.adopt(k, w)
		t.byTID[w.TID] = k
		return
	}
	k := t.current(w, boot)
	t.adopt(k, w)
	k.name(schemas.TaskName{From: boot, Comm: comm, Exe: exe})
	t.touch(k)
}

// current returns the task that an event is about, making it where the event of its creation was lost.
func (t *tasks) current(w *schemas.WireTask, boot int64) *task {
	if k := t.at0(w.PID, w.TID, boot); k != nil {
		return k
	}
	k := &task{Task: schemas.Task{ID: schemas.NoTask, PID: w.PID, TID: w.TID}, older: t.byTID[w.TID], from: int64(w.Start)}
	t.adopt(k, w)
	t.byTID[w.TID] = k
	return k
}

// at0 is at without making anything.
func (t *tasks) at0(pid, tid uint32, boot int64) *task {
	k := t.byTID[tid]
	for k != nil && k.from > boot {
		k = k.older
	}
	if k == nil || k.PID != pid {
		return nil
	}
	return k
}

// maxNames bounds the names kept of one task: a program that renames its threads for each request would grow without end. The first and
// the latest ones are kept.
const maxNames = 1024

// name adds a name; one that comes late, from another CPU, goes to its place.
func (k *task) name(n schemas.TaskName) {
	at := len(k.Names)
	for at > 0 && k.Names[at-1].From > n.From {
		at--
	}
	if at > 0 && k.Names[at-1].Comm == n.Comm && n.Exe == "" {
		return // execve renames the task too: one change, two events
	}
	if at > 0 && k.Names[at-1].From == n.From {
		if n.Exe == "" {
			n.Exe = k.Names[at-1].Exe
		}
		k.Names[at-1] = n
		return
	}
	if len(k.Names) >= maxNames {
		copy(k.Names[1:], k.Names[2:])
		k.Names = k.Names[:len(k.Names)-1]
		at = max(at-1, 1)
	}
	k.Names = append(k.Names, schemas.TaskName{})
	copy(k.Names[at+1:], k.Names[at:])
	k.Names[at] = n
}

func (t *tasks) exit(k *task, boot int64) {
	if k.Exit != 0 {
		k.Exit = min(k.Exit, boot) // told twice: by execve from another thread, and by its own exit
		return
	}
	k.Exit = boot
	t.touch(k)
	t.exited = append(t.exited, k)
}

// take returns the tasks that changed since the last call, for the capture.
func (t *tasks) take() []schemas.Task {
	if len(t.changed) == 0 {
		return nil
	}
	out := make([]schemas.Task, 0, len(t.changed))
	for _, k := range t.changed {
		k.dirty = false
		row := k.Task
		row.Names = append([]schemas.TaskName(nil), k.Names...)
		out = append(out, row)
	}
	t.changed = t.changed[:0]
	return out
}

// forget drops the tasks that exited before a time: every record made by then has been read.
func (t *tasks) forget(before int64) {
	kept := t.exited[:0]
	for _, k := range t.exited {
		if k.Exit >= before || k.dirty {
			kept = append(kept, k)
			continue
		}
		t.unlink(k)
	}
	clear(t.exited[len(kept):])
	t.exited = kept
}

func (t *tasks) unlink(k *task) {
	k.gone = true
	newest := t.byTID[k.TID]
	if newest == k {
		if k.older == nil {
			delete(t.byTID, k.TID)
		} else {
			t.byTID[k.TID] = k.older
		}
		return
	}
	for n := newest; n != nil; n = n.older {
		if n.older == k {
			n.older = k.older
			return
		}
	}
}

// watched returns the tasks alive that are targets, or all of user space but process self, in the order of their ids.
func (t *tasks) watched(all bool, self uint32) []*task {
	var list []*task
	for _, k := range t.byTID {
		if k.Exit == 0 && k.PID != self && (k.Target || all && !k.Kernel) {
			t.want(k)
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b *task) int {
		return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.TID, b.TID))
	})
	return list
}

// nameOf returns a task's name and process id, for a person.
func (t *tasks) nameOf(id schemas.TaskID) string {
	for _, k := range t.byTID {
		if k.ID == id && len(k.Names) > 0 {
			return fmt.Sprintf("%s (%d)", k.Names[len(k.Names)-1].Comm, k.PID)
		}
	}
	return fmt.Sprintf("task %d", id)
}
