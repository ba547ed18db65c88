//go:build !linux

package launch

import (
	"errors"
	"os"
)

var errNeedsLinux = errors.New("starting a command to record: needs Linux")

// Held is a command that waits to be released, or runs.
type Held struct{ PID uint32 }

// Start needs Linux.
func Start(*Command) (*Held, error) { return nil, errNeedsLinux }

// Release needs Linux.
func (h *Held) Release() error { return errNeedsLinux }

// Name needs Linux.
func (h *Held) Name() string { return "" }

// Wait needs Linux.
func (h *Held) Wait() (Status, error) { return Status{}, errNeedsLinux }

// Signal needs Linux.
func (h *Held) Signal(os.Signal) error { return errNeedsLinux }

// Abandon needs Linux.
func (h *Held) Abandon() error { return errNeedsLinux }

// Main does nothing: no command waits here.
func Main() {}
