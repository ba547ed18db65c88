package record

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"probetape/record/proc"
)

// NoProcessError is returned for a -p that names no process.
type NoProcessError struct {
	PID    uint32
	Thread uint32 // where PID is a thread's id: its process
}

func (e *NoProcessError) Error() string {
	if e.Thread != 0 {
		return fmt.Sprintf("finding process %d: it is a thread of process %d", e.PID, e.Thread)
	}
	return fmt.Sprintf("finding process %d: there is none", e.PID)
}

// Hints says what to type instead.
func (e *NoProcessError) Hints() []string {
	if e.Thread != 0 {
		return []string{fmt.Sprintf("record the whole process with -p %d, and select the thread when analysing", e.Thread)}
	}
	return []string{"ps -e lists the processes; pgrep NAME finds one by name"}
}

// CheckPIDs returns an error for the first of pids that is not a live process.
func CheckPIDs(f proc.FS, pids []uint32) error {
	for _, pid := range pids {
		t, err := f.Task(0, pid)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && !t.Alive():
			return &NoProcessError{PID: pid}
		case err != nil:
			return fmt.Errorf("finding process %d: %w", pid, err)
		case t.PID != pid:
			return &NoProcessError{PID: pid, Thread: t.PID}
		}
	}
	return nil
}

// Match is a process that a target matched.
type Match struct {
	PID        uint32
	Comm       string
	Threads    int
	Descendant bool // of one that was named
}

// targetRounds bounds how often the descendants are looked for: one that is born between looking and adding is found the next time,
// and from then on the kernel follows.
const targetRounds = 8

// addTargets makes processes targets in the kernel, with their descendants if children is set, and returns all of them.
func addTargets(f proc.FS, add func(...uint32) error, pids []uint32, children bool) ([]uint32, error) {
	if len(pids) == 0 {
		return nil, nil
	}
	if err := add(pids...); err != nil {
		return nil, err
	}
	all := slices.Clone(pids)
	if !children {
		return all, nil
	}
	for range targetRounds {
		found, err := f.Descendants(pids)
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(found, func(pid uint32) bool { return slices.Contains(all, pid) })
		if len(found) == 0 {
			break
		}
		if err := add(found...); err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// describeMatches says what was matched, in words: the processes named each by its own, their descendants by number.
func describeMatches(matches []Match) []string {
	var words []string
	below, threads := 0, 0
	for _, m := range matches {
		if m.Descendant {
			below++
			threads += m.Threads
			continue
		}
		words = append(words, fmt.Sprintf("process %d (%s), %s", m.PID, m.Comm, plural(m.Threads, "thread")))
	}
	if below > 0 {
		words = append(words, fmt.Sprintf("%s below, %s", plural(below, "process"), plural(threads, "thread")))
	}
	return words
}

func plural(n int, one string) string {
	switch {
	case n == 1:
		return "1 " + one
	case strings.HasSuffix(one, "s"):
		return fmt.Sprintf("%d %ses", n, one)
	}
	return fmt.Sprintf("%d %ss", n, one)
}
