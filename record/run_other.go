//go:build !linux

package record

import (
	"errors"

	"probetape/record/launch"
)

// ErrNeedsLinux is returned by everything that touches a kernel. Captures are analysed anywhere.
var ErrNeedsLinux = errors.New("recording needs Linux; captures are analysed here")

// Recorder is one recording.
type Recorder struct{}

// New makes a recording whose Run fails.
func New(Options, *Prepared, *launch.Held) *Recorder { return &Recorder{} }

// Prepare needs Linux.
func Prepare(*Options) (*Prepared, error) { return nil, ErrNeedsLinux }

// CheckPrivileges needs Linux.
func CheckPrivileges() error { return ErrNeedsLinux }

// Run needs Linux.
func (*Recorder) Run() (*Result, error) { return nil, ErrNeedsLinux }

// Stop does nothing: nothing runs.
func (*Recorder) Stop(string) {}

// CommandStarted reports that nothing was started.
func (*Recorder) CommandStarted() bool { return false }

// CommandEnded reports that nothing has ended.
func (*Recorder) CommandEnded() bool { return false }

// WaitCommand needs Linux.
func (*Recorder) WaitCommand() (launch.Status, error) { return launch.Status{}, ErrNeedsLinux }
