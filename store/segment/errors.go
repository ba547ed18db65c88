package segment

import (
	"errors"
	"fmt"

	"probetape/schemas"
)

// CorruptError is a part of a segment that cannot be read.
type CorruptError struct {
	File    string
	Segment uint64
	Offset  int64  // where the damage begins, in the file
	Length  int64  // bytes; 0: to the end, or not known
	Rows    uint64 // rows that were there; 0: not known
	From    int64  // boot clock, ns: the least time of those rows, where known
	To      int64  // and their greatest end
	Err     error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("reading segment %d (%s) at offset %d: %v", e.Segment, e.File, e.Offset, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// Damage is the error as the capture's list of damages has it.
func (e *CorruptError) Damage() schemas.Damage {
	return schemas.Damage{
		File: e.File, Segment: e.Segment, Offset: e.Offset, Length: e.Length, Rows: e.Rows, From: e.From, To: e.To, Cause: e.Err.Error(),
	}
}

// VersionError is a segment of a format that this reader does not know.
type VersionError struct {
	File         string
	Major, Minor int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("opening segment %s: its format is %d.%d, this program reads up to %d", e.File, e.Major, e.Minor, schemas.FormatMajor)
}

// ErrForeign is wrapped where a segment is sound but not the one that was asked for: of another capture, number or table.
var ErrForeign = errors.New("another segment's file")
