package store

import (
	"fmt"
)

// ExistsError is returned where a capture is to be made at a path that is taken.
type ExistsError struct {
	Path   string
	InUse  bool // a capture that is being recorded into right now
	Linked bool // a symbolic link
}

func (e *ExistsError) Error() string {
	switch {
	case e.InUse:
		return fmt.Sprintf("creating capture %q: it exists, and another recording is writing it", e.Path)
	case e.Linked:
		return fmt.Sprintf("creating capture %q: it exists, and is a symbolic link", e.Path)
	}
	return fmt.Sprintf("creating capture %q: it exists", e.Path)
}

// Hints says what to do.
func (e *ExistsError) Hints() []string {
	return []string{"a capture is never overwritten: give another path with -o, or move the existing one away"}
}

// NotCaptureError is returned where what is opened is no capture.
type NotCaptureError struct {
	Path  string
	Cause string // in words: it is an empty folder, it has no catalog.db, ...
	Hint  string // empty: none
}

func (e *NotCaptureError) Error() string {
	return fmt.Sprintf("opening %q: not a capture: %s", e.Path, e.Cause)
}

// Hints says what to do.
func (e *NotCaptureError) Hints() []string {
	if e.Hint == "" {
		return nil
	}
	return []string{e.Hint}
}

// VersionError is returned where a capture was written in a format that this build does not read.
type VersionError struct {
	Path         string
	Major, Minor int
	Tool         string // the version of the tool that wrote it, empty where not known
}

func (e *VersionError) Error() string {
	by := ""
	if e.Tool != "" {
		by = ", written by probetape " + e.Tool
	}
	return fmt.Sprintf("opening %q: its format is %d.%d%s, which is newer than this build reads", e.Path, e.Major, e.Minor, by)
}

// Hints says what to do.
func (e *VersionError) Hints() []string {
	return []string{"read it with the version of probetape that recorded it, or a newer one"}
}

// CorruptError is returned where a capture cannot be read for damage, and says where that is.
type CorruptError struct {
	Path   string // of the capture
	File   string // below it
	Offset int64  // -1: not known
	Err    error
}

func (e *CorruptError) Error() string {
	at := ""
	if e.Offset >= 0 {
		at = fmt.Sprintf(" at byte %d", e.Offset)
	}
	return fmt.Sprintf("opening %q: %s is damaged%s: %v", e.Path, e.File, at, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// Hints says what to do.
func (e *CorruptError) Hints() []string {
	return []string{"where another copy of the capture exists, compare its files with these"}
}

// WriteError is returned where events could not be written. Those that it cost are in the capture's losses.
type WriteError struct {
	File string
	Err  error
}

func (e *WriteError) Error() string { return fmt.Sprintf("writing %s: %v", e.File, e.Err) }
func (e *WriteError) Unwrap() error { return e.Err }
