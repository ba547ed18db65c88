package store

import (
	"context"
	"iter"

	"probetape/schemas"
)

// Reader reads a capture. It satisfies analyze.Source. It may be used by several goroutines at once.
type Reader struct{}

// Open opens a capture. Its errors are *NotCaptureError, *VersionError, *CorruptError, or the system's.
func Open(path string) (*Reader, error) { return nil, errUnwritten }

// Close closes the capture's files.
func (r *Reader) Close() error { return errUnwritten }

// Name returns the path it was opened by.
func (r *Reader) Name() string { return "" }

// Live reports whether the capture was being recorded when it was opened.
func (r *Reader) Live() bool { return false }

// Manifest describes the capture.
func (r *Reader) Manifest() *schemas.Manifest { return nil }

// Tables returns the tables; Tables()[i].ID is i.
func (r *Reader) Tables() []schemas.Table { return nil }

// Sites returns the sites; Sites()[i].ID is i.
func (r *Reader) Sites() []schemas.Site { return nil }

// Tasks returns the tasks in the order of their ids. Ids may be missing between them.
func (r *Reader) Tasks() ([]schemas.Task, error) { return nil, errUnwritten }

// Stacks returns the stacks in the order of their ids. Ids may be missing between them.
func (r *Reader) Stacks() ([]schemas.Stack, error) { return nil, errUnwritten }

// Symbols returns the symbols, the kernel's first, then by process, each by address.
func (r *Reader) Symbols() ([]schemas.Symbol, error) { return nil, errUnwritten }

// Segments returns the segments in the order of their ids.
func (r *Reader) Segments() []schemas.Segment { return nil }

// Losses returns the losses in the order they were told.
func (r *Reader) Losses() []schemas.Loss { return nil }

// Totals returns the sites' ledgers in the order of the sites.
func (r *Reader) Totals() []schemas.SiteTotals { return nil }

// Clock returns the clock samples in the order they were taken.
func (r *Reader) Clock() []schemas.ClockSample { return nil }

// Blocked returns what tasks were waiting for.
func (r *Reader) Blocked() []schemas.Blocked { return nil }

// Log returns the recorder's log.
func (r *Reader) Log() []schemas.LogEntry { return nil }

// Damage returns what cannot be read: found when opening, and by the reading since.
func (r *Reader) Damage() []schemas.Damage { return nil }

// Parts splits what a query selects into parts, a segment each, that may be read side by side.
func (r *Reader) Parts(ctx context.Context, q schemas.Query) []iter.Seq2[*schemas.Batch, error] { return nil }
