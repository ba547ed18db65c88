package record

import (
	"io/fs"
	"slices"
	"testing"

	"probetape/record/proc"
	"probetape/schemas"
)

// fakeWaits is what some tasks wait for, by thread id.
type fakeWaits map[uint32]proc.Waiting

func (f fakeWaits) Waiting(_, tid uint32) (proc.Waiting, error) {
	w, ok := f[tid]
	if !ok {
		return w, fs.ErrNotExist
	}
	return w, nil
}

func syscallNames(abi schemas.ABI, number int32) string {
	if abi == schemas.ABIi386 {
		return map[int32]string{3: "read"}[number]
	}
	return map[int32]string{0: "read"}[number]
}

func TestBlockedTasks(t *testing.T) {
	waits := fakeWaits{
		10: {State: 'S', Syscall: 0, Args: []uint64{3}, Wchan: "pipe_read", Stack: []string{"pipe_read", "vfs_read"}},
		11: {State: 'S', Syscall: 3, Compat: true},
		12: {State: 'R', Syscall: proc.NoSyscall, Notes: []string{"stack: not permitted", "wchan: gone"}},
	}
	var list []*task
	for tid := range uint32(4) {
		list = append(list, &task{Task: schemas.Task{ID: schemas.TaskID(tid), PID: 10, TID: 10 + tid}})
	}
	rows, more, err := blockedTasks(waits, &fakeClock{now: 5}, list, true, syscallNames)
	if err != nil || more || len(rows) != 3 {
		t.Fatalf("blockedTasks = %+v, %v, %v; want 3 rows, since one task is gone", rows, more, err)
	}
	first := rows[0]
	if !first.AtEnd || first.State != "S" || first.Syscall != "read" || first.Wchan != "pipe_read" || !slices.Equal(first.Stack, waits[10].Stack) || first.Time == 0 {
		t.Errorf("first = %+v", first)
	}
	if first.Still {
		t.Error("the first was never asked before, and is said not to have run since")
	}
	list[0].waited, list[1].waited, list[1].ranBefore = true, true, 5
	if rows, _, err = blockedTasks(waits, &fakeClock{now: 5}, list, true, syscallNames); err != nil || !rows[0].Still || rows[1].Still {
		t.Errorf("the first has not run, the second has: %+v, %v", rows, err)
	}
	if rows[1].Syscall != "read" {
		t.Errorf("a 32-bit program's call 3 is called %q, want read", rows[1].Syscall)
	}
	if rows[2].Syscall != "" || rows[2].Note != "stack: not permitted; wchan: gone" {
		t.Errorf("third = %+v", rows[2])
	}
	if _, more, _ := blockedTasks(fakeWaits{}, &fakeClock{}, make0(maxBlocked+1), false, syscallNames); !more {
		t.Error("more tasks than are asked, and nothing says so")
	}
}

func make0(n int) []*task {
	list := make([]*task, n)
	for i := range list {
		list[i] = &task{}
	}
	return list
}

func TestWatched(t *testing.T) {
	ts := newTasks(fakeProcs{}, nil)
	ts.target(ts.seed(proc.Task{PID: 20, TID: 21}))
	ts.target(ts.seed(proc.Task{PID: 20, TID: 20}))
	ts.seed(proc.Task{PID: 30, TID: 30})
	ts.seed(proc.Task{PID: 2, TID: 2, Kernel: true})
	ts.exit(ts.seed(proc.Task{PID: 40, TID: 40}), 5)
	tids := func(list []*task) (out []uint32) {
		for _, k := range list {
			out = append(out, k.TID)
		}
		return out
	}
	if got := tids(ts.watched(false, 30)); !slices.Equal(got, []uint32{20, 21}) {
		t.Errorf("targets watched: %v, want 20 21", got)
	}
	if got := tids(ts.watched(true, 20)); !slices.Equal(got, []uint32{30}) {
		t.Errorf("of all but process 20: %v, want 30 (no kernel thread, none that exited)", got)
	}
}

func TestWhyNone(t *testing.T) {
	for _, c := range []struct {
		r    Result
		want string
	}{
		{Result{}, "no site could be attached"},
		{Result{Attached: 1, Totals: []schemas.SiteTotals{{StartedBefore: 2}}}, "only calls that began before the recording returned (2)"},
		{Result{Attached: 1, Blocked: []string{"cat (7) in read"}}, "the targets were waiting all the time: cat (7) in read"},
		{Result{Attached: 1, Targets: Targets{All: true}}, "nothing there reached a probe, or every filter said no"},
		{Result{Attached: 1}, "the targets reached no probe, or every filter said no"},
	} {
		if got := c.r.WhyNone(); got != c.want {
			t.Errorf("WhyNone() = %q, want %q", got, c.want)
		}
	}
}
