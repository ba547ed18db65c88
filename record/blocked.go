package record

import (
	"errors"
	"io/fs"
	"strings"

	"probetape/record/proc"
	"probetape/schemas"
)

// maxBlocked bounds how many tasks are asked what they wait for: each costs four files of /proc, and a kernel stack.
const maxBlocked = 4096

// waitReader reads what a task waits for; proc.FS is one.
type waitReader interface {
	Waiting(pid, tid uint32) (proc.Waiting, error)
}

// blockedTasks reads what each task is doing in the kernel: in an incident, those that hang make no events, and this is all there is to
// see of them. It returns whether there were more tasks than it asked.
func blockedTasks(procs waitReader, clock Clock, list []*task, atEnd bool, syscallName func(abi schemas.ABI, number int32) string) ([]schemas.Blocked, bool, error) {
	more := len(list) > maxBlocked
	if more {
		list = list[:maxBlocked]
	}
	rows := make([]schemas.Blocked, 0, len(list))
	for _, k := range list {
		at := clock.Boot()
		w, err := procs.Waiting(k.PID, k.TID)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return rows, more, err
		}
		row := schemas.Blocked{
			AtEnd: atEnd, Time: at, Task: k.ID, State: string(rune(w.State)),
			Args: w.Args, Wchan: w.Wchan, Stack: w.Stack, Note: strings.Join(w.Notes, "; "),
		}
		if !atEnd {
			k.ranBefore, k.waited = w.Ran, true
		}
		row.Still = atEnd && k.waited && k.ranBefore == w.Ran
		if w.Syscall != proc.NoSyscall {
			abi := schemas.ABIx8664
			if w.Compat {
				abi = schemas.ABIi386
			}
			row.Syscall = syscallName(abi, int32(w.Syscall))
		}
		rows = append(rows, row)
	}
	return rows, more, nil
}
