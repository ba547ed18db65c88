package store

import (
	"errors"
	"time"

	"probetape/schemas"
)

// Owner is who the capture's folders and files belong to.
type Owner struct{ UID, GID uint32 }

// CreateOptions describe a capture that is to be made. Tables[i].ID and Sites[i].ID must be i.
type CreateOptions struct {
	Tables []schemas.Table
	Sites  []schemas.Site
	Owner  *Owner // nil: whoever runs

	SegmentBytes int64         // a segment is closed at about this size; 0: DefaultSegmentBytes
	SegmentAge   time.Duration // and at this age; 0: DefaultSegmentAge
	SealBudget   time.Duration // how long Close may spend on sealing; 0: DefaultSealBudget, negative: none
}

// Defaults of CreateOptions.
const (
	DefaultSegmentBytes = 64 << 20
	DefaultSegmentAge   = time.Minute
	DefaultSealBudget   = 2 * time.Second
)

// Writer writes a capture. Its methods are for one goroutine, except Bytes.
type Writer struct{}

var errUnwritten = errors.New("not built yet")

// Create makes a capture's folder, with mode 0700, and the files in it, with mode 0600. A path that exists is an *ExistsError.
func Create(path string, opts CreateOptions) (*Writer, error) { return nil, errUnwritten }

// Append takes a batch's rows: all of them, or with an error none. The batch is the caller's again when it returns.
func (w *Writer) Append(b *schemas.Batch) error { return errUnwritten }

// AddTasks adds tasks, or replaces those with the same ids.
func (w *Writer) AddTasks(tasks []schemas.Task) error { return errUnwritten }

// AddLosses adds losses.
func (w *Writer) AddLosses(losses []schemas.Loss) error { return errUnwritten }

// SetTotals replaces the ledgers of the sites given.
func (w *Writer) SetTotals(totals []schemas.SiteTotals) error { return errUnwritten }

// AddClock adds a clock sample.
func (w *Writer) AddClock(s schemas.ClockSample) error { return errUnwritten }

// AddBlocked adds what tasks were waiting for.
func (w *Writer) AddBlocked(rows []schemas.Blocked) error { return errUnwritten }

// AddLog adds lines of the recorder's log.
func (w *Writer) AddLog(entries []schemas.LogEntry) error { return errUnwritten }

// AddStacks adds stacks, or replaces those with the same ids.
func (w *Writer) AddStacks(stacks []schemas.Stack) error { return errUnwritten }

// AddSymbols adds symbols, or replaces those of the same addresses and processes.
func (w *Writer) AddSymbols(symbols []schemas.Symbol) error { return errUnwritten }

// SetSites replaces sites, by their ids: notes come after attaching.
func (w *Writer) SetSites(sites []schemas.Site) error { return errUnwritten }

// SetManifest replaces the manifest.
func (w *Writer) SetManifest(m schemas.Manifest) error { return errUnwritten }

// Flush hands everything so far to the disk and returns when the flush before it has finished.
func (w *Writer) Flush() error { return errUnwritten }

// Bytes is the size of the capture on disk.
func (w *Writer) Bytes() int64 { return 0 }

// Close flushes, seals, and closes the capture.
func (w *Writer) Close() error { return errUnwritten }
