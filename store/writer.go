package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"probetape/schemas"
	"probetape/store/catalog"
	"probetape/store/segment"
)

// Writer writes a capture. Its methods are for one goroutine, except Bytes. It satisfies record.Capture.
//
// Rows are collected by table and handed to a goroutine of the writer's own, which compresses and writes them: 65,536 rows of a table at once,
// or whatever there is when bufferedBytes are collected, or at a flush. The caller waits only where that goroutine is behind: the disk is slower
// than the events come.
//
// What Flush promises. A flush brings the segments' new rows to the disk first, and then all changes of the catalogue in one commit, so the
// catalogue never tells of rows that are not there. It goes on while Flush has returned: Flush waits for the one before it. So when Flush
// returns nil, everything that was handed over before the previous call of Flush is on the disk, and Close waits for the rest. After a crash
// the capture holds everything up to a flush, and nothing after it: at most one interval between flushes, and what the disk takes to
// write one, is missing.
//
// A segment ends when it has SegmentBytes, or when it is SegmentAge old and has minRotateBytes, or is rotateSmallAfter times as old. Segments
// that have ended are sealed (sorted, compressed better) by one goroutine that uses a quarter of a CPU at most.
//
// Where rows cannot be written, Append takes no more. The rows that it had taken, and that did not reach the disk, are moved from seen to
// lost in the totals, and told as losses (schemas.LossStore). Everything else still works, so that a recording whose disk is full ends with a
// capture that says so.
type Writer struct {
	tables []schemas.Table
	site   []schemas.TableID // of each site
	enc    *catalog.Encoder
	id     string // of the capture; empty: not known yet
	now    int64  // boot clock, ns: what the manifest knows of it

	buffers  []*schemas.Batch // by table; nil: no rows
	buffered int              // bytes, about
	totals   []schemas.SiteTotals
	changed  bool // totals were set since the last flush

	pool     batchPool
	flusher  *flusher
	inFlight chan error // of the flush under way; nil: none
	closed   bool
}

// bufferedBytes is how much of rows is collected before it is written: it bounds the writer's memory, with as much again on its way to
// the disk twice.
const bufferedBytes = 16 << 20

// work is what the caller's side hands to the flusher.
type work struct {
	id      string // of the capture
	now     int64  // boot clock, ns: about
	batches []*schemas.Batch

	// For a flush.
	flush   bool
	final   bool // nothing follows
	changes *catalog.Changes
	totals  []schemas.SiteTotals // nil: as before
	done    chan error
}

var errClosed = errors.New("writing to a capture that is closed")

// newWriter puts a writer together; start starts it.
func newWriter(d disk, db catalogue, opts *CreateOptions) (*Writer, error) {
	w := &Writer{
		tables:  slices.Clone(opts.Tables),
		enc:     catalog.NewEncoder(0),
		buffers: make([]*schemas.Batch, len(opts.Tables)),
	}
	for i := range opts.Sites {
		w.site = append(w.site, opts.Sites[i].Table)
	}
	var err error
	if w.flusher, err = newFlusher(d, db, w.tables, &w.pool, opts); err != nil {
		return nil, err
	}
	return w, errors.Join(
		w.enc.SetFormat(schemas.FormatMajor, schemas.FormatMinor),
		w.enc.AddTables(w.tables),
		w.enc.SetSites(opts.Sites),
	)
}

// describe commits the tables and sites: without them nothing else means anything.
func (w *Writer) describe() error {
	return w.flusher.commit(w.enc.Take(nil))
}

func (w *Writer) start() { w.flusher.start() }

// Append takes a batch's rows: all of them, or with an error none. The batch is the caller's again when it returns. The manifest must have
// been set before: segments carry the capture's id.
//
// After a *WriteError it returns that each time.
func (w *Writer) Append(b *schemas.Batch) error {
	if err := w.flusher.failed.Load(); err != nil {
		return err
	}
	if err := w.check(b); err != nil {
		return fmt.Errorf("appending to the capture: %w", err)
	}
	if b.Len == 0 {
		return nil
	}
	id := b.Table.ID
	buffer := w.buffers[id]
	if buffer == nil {
		buffer = w.pool.take()
		buffer.Reset(&w.tables[id])
		w.buffers[id] = buffer
	}
	buffer.Append(b)
	w.buffered += batchBytes(b)
	if w.buffered >= bufferedBytes {
		w.send(&work{batches: w.takeAll()})
	} else if buffer.Len >= segment.MaxRows {
		w.buffered -= batchBytes(buffer)
		w.buffers[id] = nil
		w.send(&work{batches: []*schemas.Batch{buffer}})
	}
	return nil
}

// check refuses batches that the capture could not hold or its reader would refuse.
func (w *Writer) check(b *schemas.Batch) error {
	switch {
	case w.closed:
		return errClosed
	case w.id == "":
		return errors.New("the manifest is not set, so the capture has no id")
	case b.Table == nil || int64(b.Table.ID) >= int64(len(w.tables)):
		return errors.New("a batch of a table that the capture does not have")
	}
	t := &w.tables[b.Table.ID]
	n := b.Len
	ok := len(b.Columns) == len(t.Fields) && len(b.Time) >= n && len(b.CPU) >= n && len(b.Task) >= n && len(b.Site) >= n
	if ok && t.Call {
		ok = len(b.Duration) >= n && len(b.End) >= n && len(b.Errno) >= n
	}
	for i := 0; ok && i < len(t.Fields); i++ {
		if t.Fields[i].Type.Text() {
			ok = len(b.Columns[i].Offs) > n
		} else {
			ok = len(b.Columns[i].Ints) >= n
		}
	}
	if !ok {
		return fmt.Errorf("a batch of table %q with columns that are too short for its %d rows", t.Name, n)
	}
	for _, s := range b.Site[:n] {
		if int64(s) >= int64(len(w.site)) || w.site[s] != t.ID {
			return fmt.Errorf("a row of table %q from site %d, which is not one of its", t.Name, s)
		}
	}
	return nil
}

// takeAll takes the rows collected so far.
func (w *Writer) takeAll() []*schemas.Batch {
	var all []*schemas.Batch
	for i, b := range w.buffers {
		if b != nil {
			all = append(all, b)
			w.buffers[i] = nil
		}
	}
	w.buffered = 0
	return all
}

func (w *Writer) send(k *work) {
	k.id, k.now = w.id, w.now
	w.flusher.queue <- k
}

// AddTasks adds tasks, or replaces those with the same ids.
func (w *Writer) AddTasks(tasks []schemas.Task) error { return w.enc.AddTasks(tasks) }

// AddLosses adds losses.
func (w *Writer) AddLosses(losses []schemas.Loss) error { return w.enc.AddLosses(losses) }

// SetTotals replaces all sites' ledgers.
func (w *Writer) SetTotals(totals []schemas.SiteTotals) error {
	w.totals, w.changed = append(w.totals[:0], totals...), true
	return nil
}

// AddClock adds a clock sample.
func (w *Writer) AddClock(s schemas.ClockSample) error { return w.enc.AddClock(s) }

// AddBlocked adds what tasks were waiting for.
func (w *Writer) AddBlocked(rows []schemas.Blocked) error { return w.enc.AddBlocked(rows) }

// AddLog adds lines of the recorder's log.
func (w *Writer) AddLog(entries []schemas.LogEntry) error { return w.enc.AddLog(entries) }

// AddStacks adds stacks, or replaces those with the same ids.
func (w *Writer) AddStacks(stacks []schemas.Stack) error { return w.enc.AddStacks(stacks) }

// AddSymbols adds symbols, or replaces those of the same addresses and processes.
func (w *Writer) AddSymbols(symbols []schemas.Symbol) error { return w.enc.AddSymbols(symbols) }

// SetSites replaces sites, by their ids: notes come after attaching. Which table a site belongs to cannot be changed.
func (w *Writer) SetSites(sites []schemas.Site) error {
	for i := range sites {
		if s := &sites[i]; int64(s.ID) >= int64(len(w.site)) || s.Table != w.site[s.ID] {
			return fmt.Errorf("setting site %d of table %d: there is none", s.ID, s.Table)
		}
	}
	return w.enc.SetSites(sites)
}

// SetManifest replaces the manifest. Its id cannot be changed.
func (w *Writer) SetManifest(m schemas.Manifest) error {
	switch {
	case m.ID == "":
		return errors.New("setting the manifest: it has no id")
	case w.id != "" && m.ID != w.id:
		return fmt.Errorf("setting the manifest: its id is %s, and was %s", m.ID, w.id)
	}
	if err := schemas.ValidateManifest(&m); err != nil {
		return fmt.Errorf("setting the manifest: %w", err)
	}
	w.id, w.now = m.ID, max(m.Flushed, m.End)
	return w.enc.SetManifest(&m)
}

// Flush hands everything so far to the disk, and returns when the flush before it has finished, with that one's error; see Writer.
func (w *Writer) Flush() error {
	if w.closed {
		return errClosed
	}
	err := w.wait()
	w.handFlush(false)
	return err
}

// wait waits for the flush under way.
func (w *Writer) wait() error {
	if w.inFlight == nil {
		return nil
	}
	err := <-w.inFlight
	w.inFlight = nil
	return err
}

func (w *Writer) handFlush(final bool) {
	k := &work{batches: w.takeAll(), flush: true, final: final, changes: w.enc.Take(w.flusher.spare()), done: make(chan error, 1)}
	if w.changed {
		k.totals, w.changed = slices.Clone(w.totals), false
	}
	w.inFlight = k.done
	w.send(k)
}

// Bytes is the size of the capture on disk. It may be called from any goroutine.
func (w *Writer) Bytes() int64 { return w.flusher.bytes.Load() }

// Close brings everything to the disk, seals what can be sealed within the budget, and closes the capture. It returns the first error of
// writing rows, also where an earlier call has returned it.
func (w *Writer) Close() error {
	if w.closed {
		return errClosed
	}
	w.closed = true
	errs := []error{w.wait()}
	w.handFlush(true)
	errs = append(errs, w.wait(), w.flusher.close())
	err := errors.Join(errs...)
	if failed := w.flusher.failed.Load(); failed != nil && !errors.Is(err, failed) {
		err = errors.Join(err, failed)
	}
	return err
}

// batchBytes is about how much memory a batch's rows take.
func batchBytes(b *schemas.Batch) int {
	n := b.Len * (8 + 2 + 4 + 4)
	if b.Table.Call {
		n += b.Len * (8 + 1 + 2)
	}
	for i := range b.Columns {
		c := &b.Columns[i]
		if b.Table.Fields[i].Type.Text() {
			n += b.Len*4 + int(c.Offs[b.Len]-c.Offs[0])
		} else {
			n += b.Len * 8
		}
	}
	return n
}

// batchPool keeps batches' memory for the next ones. What would make it larger than maxPooled is left to the garbage collector: a batch
// that has held a busy table's rows is large for ever.
type batchPool struct {
	mu    sync.Mutex
	free  []*schemas.Batch
	bytes int
}

const maxPooled = 2 * bufferedBytes

func (p *batchPool) take() *schemas.Batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free)
	if n == 0 {
		return &schemas.Batch{}
	}
	b := p.free[n-1]
	p.free = p.free[:n-1]
	p.bytes -= capacityBytes(b)
	return b
}

func (p *batchPool) give(b *schemas.Batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := capacityBytes(b); p.bytes+n <= maxPooled {
		p.free = append(p.free, b)
		p.bytes += n
	}
}

// capacityBytes is the memory that a batch holds.
func capacityBytes(b *schemas.Batch) int {
	n := cap(b.Time)*8 + cap(b.CPU)*2 + cap(b.Task)*4 + cap(b.Site)*4 + cap(b.Duration)*8 + cap(b.End) + cap(b.Errno)*2
	for i := range b.Columns[:cap(b.Columns)] {
		c := &b.Columns[:cap(b.Columns)][i]
		n += cap(c.Ints)*8 + cap(c.Offs)*4 + cap(c.Data) + cap(c.Null)*8 + cap(c.Cut)*8
	}
	return n
}
