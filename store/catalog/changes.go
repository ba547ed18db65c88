package catalog

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"probetape/schemas"
)

// Encoder turns what a recording adds into changes of the catalogue. It keeps nothing of what it is handed. It is for one goroutine; the
// changes that it has given away are another's.
//
// Its memory is bounded: of the texts that tasks and symbols share it remembers maxStrings, and writes further ones out each time.
type Encoder struct {
	strings  map[string]uint32
	sequence [bucketCount]uint64
	scratch  []byte
	changes  *Changes
}

// Bounds of the bucket of strings.
const (
	maxStrings   = 1 << 16
	maxStringLen = 1024
)

// Changes are values to be put, later ones over earlier ones.
type Changes struct {
	ops   []op
	arena []byte // bodies
}

// op is one change. A body that goes into a slot of a block leaves the block's others as they are.
type op struct {
	bucket bucket
	kind   opKind
	slot   uint8
	keyLen uint8
	key    [12]byte
	off    int // of the body in the arena
	len    int
}

type opKind uint8

const (
	opPut opKind = iota
	opSlot
)

// NewEncoder returns an encoder of changes to a new catalogue. The keys that count up begin with first: several encoders of one catalogue have
// ranges of their own, and only one of them may add tasks and symbols, whose texts are numbered.
func NewEncoder(first uint64) *Encoder {
	e := &Encoder{strings: map[string]uint32{}, changes: &Changes{}}
	for i := range e.sequence {
		e.sequence[i] = first
	}
	return e
}

// Take returns the changes since the last call. reuse is empty, or changes that are committed, whose memory is used again.
func (e *Encoder) Take(reuse *Changes) *Changes {
	if reuse == nil {
		reuse = &Changes{}
	}
	reuse.ops, reuse.arena = reuse.ops[:0], reuse.arena[:0]
	c := e.changes
	e.changes = reuse
	return c
}

// Empty reports whether there is nothing to commit.
func (c *Changes) Empty() bool { return len(c.ops) == 0 }

// Bytes is how much memory the changes hold.
func (c *Changes) Bytes() int { return len(c.arena) + len(c.ops)*40 }

// add notes a change whose body is body. The key is taken over as it is.
func (e *Encoder) add(kind opKind, b bucket, key []byte, slot int, body []byte) error {
	if len(body) > MaxValueBytes-valueOverhead {
		return fmt.Errorf("writing %s to the catalogue: %d bytes, more than %d", b, len(body), MaxValueBytes-valueOverhead)
	}
	c := e.changes
	o := op{bucket: b, kind: kind, slot: uint8(slot), off: len(c.arena), len: len(body)}
	o.keyLen = uint8(copy(o.key[:], key))
	c.arena = append(c.arena, body...)
	c.ops = append(c.ops, o)
	return nil
}

// appendText appends a reference to text; see texts.
func (e *Encoder) appendText(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, 0)
	}
	n, ok := e.strings[s]
	if !ok {
		if len(e.strings) >= maxStrings || len(s) > maxStringLen {
			return appendBytes(append(dst, 1), s)
		}
		n = uint32(len(e.strings))
		e.strings[s] = n
		c := e.changes
		o := op{bucket: bucketStrings, kind: opPut, keyLen: 4, off: len(c.arena), len: len(s)}
		binary.BigEndian.PutUint32(o.key[:], n)
		c.arena = append(c.arena, s...)
		c.ops = append(c.ops, o)
	}
	return binary.AppendUvarint(dst, uint64(n)+2)
}

func (e *Encoder) putJSON(b bucket, key []byte, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing %s to the catalogue: %w", b, err)
	}
	return e.add(opPut, b, key, 0, body)
}

// next returns a bucket's next key of those that count up.
func (e *Encoder) next(b bucket) []byte {
	e.sequence[b]++
	return key64(e.sequence[b] - 1)
}

// SetFormat notes the format's version.
func (e *Encoder) SetFormat(major, minor uint16) error {
	body := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, major), minor)
	return e.add(opPut, bucketManifest, []byte(keyFormat), 0, body)
}

// SetManifest replaces the manifest.
func (e *Encoder) SetManifest(m *schemas.Manifest) error {
	return e.putJSON(bucketManifest, []byte(keyManifest), m)
}

// AddTables adds tables.
func (e *Encoder) AddTables(tables []schemas.Table) error {
	for i := range tables {
		if err := e.putJSON(bucketTables, key32(uint32(tables[i].ID)), &tables[i]); err != nil {
			return err
		}
	}
	return nil
}

// SetSites adds sites, or replaces those with the same ids.
func (e *Encoder) SetSites(sites []schemas.Site) error {
	for i := range sites {
		if err := e.putJSON(bucketSites, key32(uint32(sites[i].ID)), &sites[i]); err != nil {
			return err
		}
	}
	return nil
}

// AddTasks adds tasks, or replaces those with the same ids.
func (e *Encoder) AddTasks(tasks []schemas.Task) error {
	for i := range tasks {
		t := &tasks[i]
		e.scratch = e.appendTask(e.scratch[:0], t)
		if err := e.add(opSlot, bucketTasks, key32(uint32(t.ID/tasksPerBlock)), int(t.ID%tasksPerBlock), e.scratch); err != nil {
			return err
		}
	}
	return nil
}

// SetTotals replaces the totals of sites.
func (e *Encoder) SetTotals(totals []schemas.SiteTotals) error {
	for i := range totals {
		t := &totals[i]
		e.scratch = appendTotals(e.scratch[:0], t)
		if err := e.add(opSlot, bucketTotals, key32(uint32(t.Site/totalsPerBlock)), int(t.Site%totalsPerBlock), e.scratch); err != nil {
			return err
		}
	}
	return nil
}

// AddLosses adds losses.
func (e *Encoder) AddLosses(losses []schemas.Loss) error {
	if len(losses) == 0 {
		return nil
	}
	e.scratch = appendLosses(e.scratch[:0], losses)
	return e.add(opPut, bucketLosses, e.next(bucketLosses), 0, e.scratch)
}

// AddClock adds a clock sample.
func (e *Encoder) AddClock(c schemas.ClockSample) error {
	e.scratch = appendClock(e.scratch[:0], &c)
	return e.add(opPut, bucketClock, e.next(bucketClock), 0, e.scratch)
}

// AddBlocked adds what tasks wait for.
func (e *Encoder) AddBlocked(rows []schemas.Blocked) error {
	for i := range rows {
		if err := e.putJSON(bucketBlocked, e.next(bucketBlocked), &rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// AddLog adds lines of the recorder's log.
func (e *Encoder) AddLog(entries []schemas.LogEntry) error {
	for i := range entries {
		if err := e.putJSON(bucketLog, e.next(bucketLog), &entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// AddStacks adds stacks, or replaces those with the same ids.
func (e *Encoder) AddStacks(stacks []schemas.Stack) error {
	for i := range stacks {
		e.scratch = appendStack(e.scratch[:0], &stacks[i])
		if err := e.add(opPut, bucketStacks, key32(stacks[i].ID), 0, e.scratch); err != nil {
			return err
		}
	}
	return nil
}

// AddSymbols adds symbols, or replaces those of the same processes and addresses.
func (e *Encoder) AddSymbols(symbols []schemas.Symbol) error {
	for i := range symbols {
		y := &symbols[i]
		e.scratch = e.appendSymbol(e.scratch[:0], y)
		key := binary.BigEndian.AppendUint64(key32(y.PID), y.Address)
		if err := e.add(opPut, bucketSymbols, key, 0, e.scratch); err != nil {
			return err
		}
	}
	return nil
}

// SetSegment adds a segment, or replaces the one with the same id.
func (e *Encoder) SetSegment(g *schemas.Segment) error {
	e.scratch = appendSegment(e.scratch[:0], g)
	return e.add(opPut, bucketSegments, key64(g.ID), 0, e.scratch)
}
