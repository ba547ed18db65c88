// Package guest is what the runner and the virtual machine's init say to each other: the list of jobs that goes in with the
// initramfs, and the marker lines that come back over the second serial port between the jobs' output. It imports the
// standard library only.
package guest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// JobsFile is where init finds its jobs, a JSON array.
const JobsFile = "/jobs.json"

// Job is one test binary to run.
type Job struct {
	Package string   // import path
	Path    string   // of the binary in the guest
	Dir     string   // its working directory: the package's folder
	Args    []string // after the binary's name
	Env     []string
}

// Markers begin a line of the guest's.
const (
	Ready = "VMTEST-READY " // followed by the kernel's release: init runs
	Begin = "VMTEST-BEGIN " // package
	End   = "VMTEST-END "   // package, exit status, nanoseconds
	Done  = "VMTEST-DONE"   // every job ended
	Error = "VMTEST-ERROR " // init itself cannot go on: text
)

// ExitDone is what init hands to isa-debug-exit at the end; QEMU exits with 2*ExitDone+1. A kernel that panics exits otherwise.
const ExitDone = 0x11

// EndLine formats the line after a job's output.
func EndLine(pkg string, status int, elapsed time.Duration) string {
	return fmt.Sprintf("%s%s %d %d", End, pkg, status, elapsed.Nanoseconds())
}

// ParseEnd reads what EndLine wrote.
func ParseEnd(line string) (pkg string, status int, elapsed time.Duration, err error) {
	fields := strings.Fields(strings.TrimPrefix(line, End))
	if len(fields) != 3 {
		return "", 0, 0, fmt.Errorf("parsing %q: want package, status and time", line)
	}
	status, err = strconv.Atoi(fields[1])
	if err != nil {
		return "", 0, 0, fmt.Errorf("parsing %q: %w", line, err)
	}
	ns, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return "", 0, 0, fmt.Errorf("parsing %q: %w", line, err)
	}
	return fields[0], status, time.Duration(ns), nil
}
