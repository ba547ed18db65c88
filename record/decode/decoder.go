package decode

import "probetape/schemas"

// Tasks resolves the thread of a record.
type Tasks interface {
	// Lookup returns the task that had thread id tid of process pid at a time of the boot clock; schemas.NoTask if unknown.
	Lookup(pid, tid uint32, boot int64) schemas.TaskID
}

// Config is what a decoder works with.
type Config struct {
	Tables []schemas.Table // Tables[i].ID == i
	Sites  []schemas.Site  // Sites[i].ID == i
	Tasks  Tasks
	// Emit takes a table's batch when it has BatchRows rows, and at Flush. The batch is reused when Emit returns.
	Emit      func(*schemas.Batch) error
	BatchRows int // 0: DefaultBatchRows
}

// DefaultBatchRows is how many rows of a table are collected before they are emitted.
const DefaultBatchRows = 4096

// Ledger counts a site's records. Attempted minus Seen is what was lost before Threshold.
type Ledger struct {
	Seen   uint64 // records sent up to the threshold of the last Advance
	After  uint64 // records sent after it
	Bad    uint64 // records that could not be decoded and whose site was readable
	Unread uint64 // values that are null since they could not be read
}

// Decoder collects records into a batch for each table. It is not safe for concurrent use.
type Decoder struct {
	cfg    Config
	ledger []Ledger
}

// New makes a decoder.
func New(cfg Config) *Decoder {
	return &Decoder{cfg: cfg, ledger: make([]Ledger, len(cfg.Sites))}
}
