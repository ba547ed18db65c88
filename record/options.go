package record

import (
	"errors"
	"time"

	"probetape/schemas"
	"probetape/schemas/expr"
)

// Owner is who a capture's files belong to.
type Owner struct{ UID, GID uint32 }

// Source is a piece of probe text and where it comes from.
type Source struct {
	Name string // as the user named it: -e, a file's path, a kit's name
	Kit  bool
	Text string
}

// Targets says whose events are recorded.
type Targets struct {
	Command  bool     // the command of Options.Held, from its execve on
	PIDs     []uint32 // processes
	Children bool     // and what they, or the command, have started and will start
	Cgroup   string   // the tasks in this cgroup, as typed
	All      bool     // every task but the recorder's own
}

// Options are what a recording is asked to do.
type Options struct {
	Sources []Source
	Targets Targets
	Output  string // the capture's path
	Owner   *Owner // nil: whoever runs the recorder

	Flush       time.Duration // how often the capture is brought up to date; 0: DefaultFlush
	Duration    time.Duration // 0: no end
	MaxBytes    int64         // of the capture; 0: no limit
	BufferBytes int           // of each CPU's event buffer; 0: the session's default

	DryRun bool // Prepare changes nothing of the host: it does not mount tracefs

	Args []string // the recorder's command line
	Tool schemas.Tool

	Observer Observer       // nil: none
	Progress func(Progress) // nil: none; called a few times a second on the recorder's goroutine
	Notify   func(string)   // nil: none; told what was matched, what was not attached, and the like, a line each
}

// Defaults of Options.
const (
	DefaultFlush    = time.Second
	DefaultMaxBytes = 1 << 30
)

// ErrNoTarget is returned where nothing says whose events to record.
var ErrNoTarget = errors.New("nothing to record: no command, process, cgroup or -a")

// StoppedError is returned by a recording that was asked to end before it began: there is no capture.
type StoppedError struct{ Reason string }

func (e *StoppedError) Error() string { return "recording: ended before it began: " + e.Reason }

// RefusedError is returned where the kernel's verifier refused a program that was compiled from probe text. %+v of Err is the whole log.
type RefusedError struct {
	Place expr.Diagnostics // where in the text
	Err   error
}

func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Err }
