package analyze

import (
	"fmt"
	"sort"

	"probetape/schemas"
)

// taskTable finds the tasks of a capture by their ids.
type taskTable struct {
	tasks []schemas.Task
	byID  map[schemas.TaskID]int // nil: tasks[i].ID == i
}

func newTaskTable(tasks []schemas.Task) *taskTable {
	t := &taskTable{tasks: tasks}
	for i := range tasks {
		if tasks[i].ID != schemas.TaskID(i) {
			t.byID = make(map[schemas.TaskID]int, len(tasks))
			break
		}
	}
	if t.byID != nil {
		for i := range tasks {
			t.byID[tasks[i].ID] = i
		}
	}
	return t
}

// index returns a task's place in the table, -1 where it has none.
func (t *taskTable) index(id schemas.TaskID) int {
	if t.byID == nil {
		if uint64(id) < uint64(len(t.tasks)) {
			return int(id)
		}
		return -1
	}
	if i, ok := t.byID[id]; ok {
		return i
	}
	return -1
}

// at returns a task, nil where it is unknown.
func (t *taskTable) at(id schemas.TaskID) *schemas.Task {
	if i := t.index(id); i >= 0 {
		return &t.tasks[i]
	}
	return nil
}

// nameIndex returns which of a task's names it had at a time; see schemas.Task.NameAt. 0 for a task without names.
func nameIndex(t *schemas.Task, boot int64) int {
	if len(t.Names) < 2 {
		return 0
	}
	return sort.Search(len(t.Names)-1, func(i int) bool { return t.Names[i+1].From > boot })
}

// exeAt returns the executable that a task had with name i: the last one given up to it.
func exeAt(t *schemas.Task, i int) string {
	for ; i >= 0 && i < len(t.Names); i-- {
		if t.Names[i].Exe != "" {
			return t.Names[i].Exe
		}
	}
	return ""
}

// commAt returns the name that a task had at a time, "" where none is known.
func commAt(t *schemas.Task, boot int64) string {
	if len(t.Names) == 0 {
		return ""
	}
	return t.Names[nameIndex(t, boot)].Comm
}

// taskLabel names a task by its last name and its thread id.
func taskLabel(t *schemas.Task) string {
	comm := "?"
	if n := len(t.Names); n > 0 {
		comm = t.Names[n-1].Comm
	}
	return fmt.Sprintf("%s/%d", comm, t.TID)
}

// tasksOf returns the capture's task table, read once. It is not safe for concurrent use: analyses call it before they replay.
func (c *capture) tasksOf() (*taskTable, error) {
	if c.taskTable == nil {
		tasks, err := c.Tasks()
		if err != nil {
			return nil, fmt.Errorf("reading tasks of %s: %w", c.Name(), err)
		}
		c.taskTable = newTaskTable(tasks)
	}
	return c.taskTable, nil
}
