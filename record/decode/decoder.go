package decode

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unsafe"

	"probetape/schemas"
)

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

// Ledger counts a site's records.
//
// A record belongs to the time it was sent: an event's time, the end of a call. With the counters of the programs read at time T and
// Advance(T) called, Attempted minus Seen minus Bad is, once everything sent before T has been decoded, what was lost before T.
type Ledger struct {
	Seen   uint64 // records sent up to the threshold of the last Advance
	After  uint64 // records sent after it
	Bad    uint64 // records that made no sense; they are in neither of the above
	Unread uint64 // values that are null since they could not be read
}

// Decoder collects records into a batch for each table. It is not safe for concurrent use.
type Decoder struct {
	cfg       Config
	tables    []table
	ledger    []Ledger
	restores  []bool // by site: calls that return what a register held when a signal came, which only looks like an error
	threshold int64
	damaged   uint64
}

// New makes a decoder.
func New(cfg Config) *Decoder {
	if cfg.BatchRows <= 0 {
		cfg.BatchRows = DefaultBatchRows
	}
	d := &Decoder{cfg: cfg, tables: make([]table, len(cfg.Tables)), ledger: make([]Ledger, len(cfg.Sites)), restores: make([]bool, len(cfg.Sites))}
	for i := range cfg.Sites {
		s := &cfg.Sites[i]
		d.restores[i] = s.Kind == schemas.KindSyscall && (s.Name == "rt_sigreturn" || s.Name == "sigreturn")
	}
	for i := range cfg.Tables {
		d.tables[i].init(&cfg.Tables[i])
	}
	return d
}

// Sizes of the wire's parts.
const (
	sizeBatch  = int(unsafe.Sizeof(schemas.WireBatch{}))
	sizeRecord = int(unsafe.Sizeof(schemas.WireRecord{}))
	sizeCall   = int(unsafe.Sizeof(schemas.WireCall{}))
)

// Sample decodes one sample of the event buffer, read on a CPU. Its error is Emit's: bytes that make no sense are counted.
func (d *Decoder) Sample(cpu int, raw []byte) error {
	if len(raw) < sizeBatch {
		d.damaged++
		return nil
	}
	size := int64(binary.LittleEndian.Uint32(raw))
	if size < int64(sizeBatch) || size > int64(len(raw)) {
		d.damaged++
		return nil
	}
	for rest := raw[sizeBatch:size]; len(rest) > 0; {
		if len(rest) < sizeRecord {
			d.damaged++
			return nil
		}
		n := int(binary.LittleEndian.Uint16(rest))
		if n < sizeRecord || n%8 != 0 || n > len(rest) {
			// Where the next record begins is not known: the rest of the sample is lost, and the counters of the programs say how many
			// records that was.
			d.bad(rest)
			return nil
		}
		if err := d.Record(cpu, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// Record decodes one record, such as those of calls still under way. Its error is Emit's.
func (d *Decoder) Record(cpu int, rec []byte) error {
	if len(rec) < sizeRecord {
		d.damaged++
		return nil
	}
	id, site := int(binary.LittleEndian.Uint16(rec[2:])), binary.LittleEndian.Uint32(rec[4:])
	if id >= len(d.tables) || int64(site) >= int64(len(d.ledger)) || int(d.cfg.Sites[site].Table) != id {
		d.bad(rec)
		return nil
	}
	t := &d.tables[id]
	sent, unread, ok := t.add(rec, uint16(cpu), d.cfg.Tasks, d.restores[site])
	l := &d.ledger[site]
	if !ok {
		l.Bad++
		return nil
	}
	l.Unread += uint64(unread)
	if sent > d.threshold {
		l.After++
	} else {
		l.Seen++
	}
	if t.rows >= d.cfg.BatchRows {
		return d.emit(t)
	}
	return nil
}

// bad counts a record that made no sense, at its site where that can be read.
func (d *Decoder) bad(rec []byte) {
	if len(rec) >= sizeRecord {
		if site := binary.LittleEndian.Uint32(rec[4:]); int64(site) < int64(len(d.ledger)) {
			d.ledger[site].Bad++
			return
		}
	}
	d.damaged++
}

// Flush emits every table's rows.
func (d *Decoder) Flush() error {
	for i := range d.tables {
		if err := d.emit(&d.tables[i]); err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) emit(t *table) error {
	if t.rows == 0 {
		return nil
	}
	b := t.batch()
	err := d.cfg.Emit(b)
	t.reset()
	if err != nil {
		return fmt.Errorf("emitting %d rows of table %q: %w", b.Len, b.Table.Name, err)
	}
	return nil
}

// Advance sets the threshold between Seen and After to a time of the boot clock. What was after the last one is seen now, so that the
// new threshold must be no earlier than any record decoded so far.
func (d *Decoder) Advance(threshold int64) {
	d.threshold = threshold
	for i := range d.ledger {
		d.ledger[i].Seen += d.ledger[i].After
		d.ledger[i].After = 0
	}
}

// Ledger returns a site's counts.
func (d *Decoder) Ledger(site schemas.SiteID) Ledger { return d.ledger[site] }

// Damaged returns how many samples and records made no sense and could not be laid to any site.
func (d *Decoder) Damaged() uint64 { return d.damaged }

// unreadable counts the null fields that are null since reading them failed.
func unreadable(null, expected uint32) int { return bits.OnesCount32(null & expected) }

// Site returns a site by its id.
func (d *Decoder) Site(id schemas.SiteID) schemas.Site { return d.cfg.Sites[id] }
