package analyze

import (
	"cmp"
	"fmt"
	"slices"

	"probetape/analyze/report"
	"probetape/schemas"
)

// Since when a task has been blocked, as far as the capture tells.
const (
	sinceBefore = "before the recording"
	sinceStart  = "at the start"
	sinceEnd    = "at the end"
)

// blockedTasks lists who was blocked, the worst first: tasks that have not run since before the recording, tasks that were in a system call when
// it ended, and, of a recording whose end is not known, those that were in one when it began.
func blockedTasks(captures []*capture) ([]report.BlockedTask, error) {
	rows := []report.BlockedTask{}
	for _, c := range captures {
		tasks, err := c.tasksOf()
		if err != nil {
			return nil, err
		}
		atStart := map[schemas.TaskID]*schemas.Blocked{}
		ended := false
		list := c.Blocked()
		for i := range list {
			if list[i].AtEnd {
				ended = true
			} else {
				atStart[list[i].Task] = &list[i]
			}
		}
		for i := range list {
			b := &list[i]
			switch {
			case b.AtEnd && b.Still:
				rows = append(rows, blockedTask(c, tasks, b, atStart[b.Task], sinceBefore))
			case b.AtEnd && waitsNow(b):
				rows = append(rows, blockedTask(c, tasks, b, nil, sinceEnd))
			case !b.AtEnd && !ended && waitsNow(b):
				rows = append(rows, blockedTask(c, tasks, b, nil, sinceStart))
			}
		}
	}
	order := map[string]int{sinceBefore: 0, sinceEnd: 1, sinceStart: 2}
	slices.SortStableFunc(rows, func(a, b report.BlockedTask) int {
		return cmp.Or(cmp.Compare(order[a.Since], order[b.Since]), cmp.Compare(a.Capture, b.Capture), cmp.Compare(a.PID, b.PID), cmp.Compare(a.TID, b.TID))
	})
	return rows, nil
}

// waitsNow reports whether a task was waiting: asleep, whether it can be interrupted or not.
func waitsNow(b *schemas.Blocked) bool {
	return b.State == "S" || b.State == "D" || b.State == "I"
}

// blockedTask describes what a task was doing. before is what it was doing when the recording began, where it has not run since.
func blockedTask(c *capture, tasks *taskTable, b, before *schemas.Blocked, since string) report.BlockedTask {
	r := report.BlockedTask{
		Capture: c.Name(), Since: since, State: stateWords(b.State), Syscall: b.Syscall, Wchan: b.Wchan, Stack: orEmpty(b.Stack), Note: b.Note, Args: []string{},
	}
	if t := tasks.at(b.Task); t != nil {
		r.Comm, r.PID, r.TID = commAt(t, b.Time), t.PID, t.TID
	}
	for _, a := range b.Args {
		r.Args = append(r.Args, fmt.Sprintf("%#x", a))
	}
	if before != nil {
		age := max(b.Time-before.Time, 0)
		r.AgeNS, r.AtLeast = &age, true
	}
	return r
}

// stateWords says what the letter of /proc/PID/stat means.
func stateWords(letter string) string {
	switch letter {
	case "S":
		return "sleeping"
	case "D":
		return "uninterruptible"
	case "R":
		return "running"
	case "T":
		return "stopped"
	case "t":
		return "traced"
	case "Z":
		return "zombie"
	case "I":
		return "idle"
	}
	return letter
}
