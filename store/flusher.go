package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"probetape/schemas"
	"probetape/store/catalog"
	"probetape/store/segment"
)

// catalogue is the catalogue as the flusher needs it; *catalog.DB is one.
type catalogue interface {
	Commit(changes ...*catalog.Changes) error
	Bytes() int64
	Close() error
}

// flusher writes what a Writer collects. It has one goroutine, which does this for each piece of work:
//
//  1. Append the batches to their tables' segments, beginning and ending segments as needed.
//  2. If it is a flush: sync the segments that have new rows, or end them all if it is the last; sync the folders if names are new.
//  3. Commit: the rows of the segments that are on the disk now, sealed segments in place of others, the changes of the catalogue that came
//     with the flush, and what could not be written.
//  4. Remove the files of segments that have been replaced; hand those that have ended to the sealer.
//
// An error of 1 or 2 ends the taking of rows for good. What it cost is counted (lostRows), and 3 tells it.
type flusher struct {
	disk    disk
	catalog catalogue
	tables  []schemas.Table
	pool    *batchPool
	opts    CreateOptions

	queue  chan *work
	idle   sync.WaitGroup // the goroutine
	failed atomic.Pointer[WriteError]
	bytes  atomic.Int64

	capture  string // its id
	now      int64  // boot clock, ns: about
	encoder  *segment.Encoder
	changes  *catalog.Encoder // what the flusher itself has to tell
	open     []*openSegment   // by table
	ended    []*openSegment   // and not told yet
	settled  int64            // bytes of those that have ended before
	nextID   uint64
	newNames bool // since the folders were synced

	uncommitted []*catalog.Changes // of flushes whose commit failed, and of this one
	spares      chan *catalog.Changes
	totals      []schemas.SiteTotals // as the recorder gave them last
	lost        lostRows
	reported    bool // failed has been returned
	sealer      *sealer
	replaced    []sealedSegment // in the catalogue, or about to be; the old files are still there
}

// Sequences of what the flusher adds by itself begin here, apart from those of the writer's side.
const flusherSequence = 1 << 63

func newFlusher(d disk, db catalogue, tables []schemas.Table, pool *batchPool, opts *CreateOptions) (*flusher, error) {
	encoder, err := segment.NewEncoder(segment.LZ4)
	if err != nil {
		return nil, err
	}
	f := &flusher{
		disk: d, catalog: db, tables: tables, pool: pool, opts: *opts,
		queue: make(chan *work, 1), spares: make(chan *catalog.Changes, 2),
		encoder: encoder, changes: catalog.NewEncoder(flusherSequence), open: make([]*openSegment, len(tables)),
	}
	f.opts.setDefaults()
	f.sealer = newSealer(d, f.opts.SealBudget >= 0)
	return f, nil
}

func (o *CreateOptions) setDefaults() {
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	o.SegmentBytes = min(o.SegmentBytes, schemas.MaxFileBytes/2)
	if o.SegmentAge <= 0 {
		o.SegmentAge = DefaultSegmentAge
	}
	if o.SealBudget == 0 {
		o.SealBudget = DefaultSealBudget
	}
}

func (f *flusher) start() {
	f.idle.Go(func() {
		for k := range f.queue {
			err := f.do(k)
			f.measure()
			if k.done != nil {
				k.done <- err
			}
		}
	})
}

// spare returns changes whose memory can be used again, nil where there are none.
func (f *flusher) spare() *catalog.Changes {
	select {
	case c := <-f.spares:
		return c
	default:
		return nil
	}
}

// do does a piece of work. Its error is the flush's.
func (f *flusher) do(k *work) error {
	f.capture, f.now = k.id, k.now
	for _, b := range k.batches {
		f.write(b)
		f.pool.give(b)
	}
	if !k.flush {
		return nil
	}
	f.bring(k.final)
	if k.totals != nil {
		f.totals = k.totals
	}
	err := f.tell(k.changes)
	if failed := f.failed.Load(); failed != nil && !f.reported {
		f.reported = true
		err = errors.Join(failed, err)
	}
	return err
}

// write is step 1 for one batch.
func (f *flusher) write(b *schemas.Batch) {
	if f.failed.Load() != nil {
		f.lost.add(b)
		return
	}
	s, err := f.segmentFor(b.Table)
	if err == nil {
		err = s.append(b)
	}
	if err != nil {
		f.fail(err)
		f.lost.add(b)
	}
}

// fail ends the taking of rows.
func (f *flusher) fail(err error) {
	failed, ok := errors.AsType[*WriteError](err)
	if !ok {
		failed = &WriteError{File: eventsDir, Err: err}
	}
	f.failed.CompareAndSwap(nil, failed)
}

// segmentFor returns the open segment of a table, a new one where the old one has ended.
func (f *flusher) segmentFor(t *schemas.Table) (*openSegment, error) {
	if s := f.open[t.ID]; s != nil {
		if !s.full(&f.opts) {
			return s, nil
		}
		if err := f.end(s); err != nil {
			return nil, err
		}
	}
	s, err := newOpenSegment(f.disk, segment.Identity{Capture: f.capture, Segment: f.nextID}, t, f.encoder)
	if err != nil {
		return nil, err
	}
	f.nextID++
	f.newNames = true
	f.open[t.ID] = s
	return s, nil
}

// end ends a table's segment.
func (f *flusher) end(s *openSegment) error {
	f.open[s.table.ID] = nil
	f.ended = append(f.ended, s)
	if err := s.finish(); err != nil {
		return f.giveUp(s, err)
	}
	return nil
}

// giveUp counts the rows of a segment that did not reach the disk as lost, and cuts them off: once a sync has failed, the kernel does not know
// any more what it has not written, and a later sync that succeeds says nothing. (fsync(2): EIO.) The segment's file is closed.
func (f *flusher) giveUp(s *openSegment, err error) error {
	f.lost.since(s)
	var cutErr error
	if s.synced.Rows == 0 {
		cutErr = f.disk.remove(s.file)
	} else {
		cutErr = f.disk.truncate(s.file, int64(s.synced.Bytes))
	}
	if cutErr != nil {
		return s.wrap(fmt.Errorf("%w; and cutting it off: %w", err, cutErr))
	}
	return err
}

// unsettled goes through the segments that are open or not told to have ended.
func (f *flusher) unsettled(yield func(*openSegment) bool) {
	for _, list := range [][]*openSegment{f.ended, f.open} {
		for _, s := range list {
			if s != nil && !yield(s) {
				return
			}
		}
	}
}

// bring is step 2.
func (f *flusher) bring(final bool) {
	for _, s := range f.open {
		if s == nil {
			continue
		}
		var err error
		switch {
		case final || s.full(&f.opts):
			err = f.end(s)
		case s.w.Rows() > s.synced.Rows:
			if err = s.sync(); err != nil {
				f.open[s.table.ID] = nil
				f.ended = append(f.ended, s)
				err = f.giveUp(s, errors.Join(err, s.w.Close()))
			}
		}
		if err != nil {
			f.fail(err)
		}
	}
	if !f.newNames {
		return
	}
	if err := f.disk.sync(); err != nil {
		f.fail(&WriteError{File: eventsDir, Err: errors.Join(err, f.giveUpUnnamed())})
		return
	}
	f.newNames = false
	for s := range f.unsettled {
		s.named = true
	}
}

// giveUpUnnamed gives up the segments whose names may vanish with the power: they are as good as lost.
func (f *flusher) giveUpUnnamed() error {
	var errs []error
	for s := range f.unsettled {
		if s.named {
			continue
		}
		s.synced = schemas.Segment{}
		f.lost.since(s)
		if f.open[s.table.ID] == s {
			f.open[s.table.ID] = nil
			errs = append(errs, s.w.Close())
		}
		errs = append(errs, f.disk.remove(s.file))
	}
	f.ended = slices.DeleteFunc(f.ended, func(s *openSegment) bool { return !s.named })
	return errors.Join(errs...)
}

// tell is steps 3 and 4. The changes are those that came with the flush.
func (f *flusher) tell(changes *catalog.Changes) error {
	var errs []error
	for s := range f.unsettled {
		if s.synced.Rows > s.told.Rows || s.synced.Bytes > s.told.Bytes {
			errs = append(errs, f.changes.SetSegment(&s.synced))
		}
	}
	sealed, note := f.sealer.take()
	for i := range sealed {
		errs = append(errs, f.changes.SetSegment(&sealed[i].segment))
	}
	f.replaced = append(f.replaced, sealed...)
	if note != "" {
		errs = append(errs, f.log(schemas.LogWarn, note))
	}
	errs = append(errs, f.tellLost(), f.changes.SetTotals(f.lost.settle(f.totals)), f.commit(changes, f.changes.Take(nil)))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for s := range f.unsettled {
		s.told = s.synced
	}
	for _, s := range f.ended {
		f.settled += int64(s.told.Bytes)
		if s.told.Rows > 0 {
			f.sealer.give(sealJob{id: segment.Identity{Capture: f.capture, Segment: s.told.ID}, table: s.table, segment: s.told})
		}
	}
	f.ended = f.ended[:0]
	return f.removeReplaced()
}

// removeReplaced removes the files of segments that the catalogue has sealed ones for.
func (f *flusher) removeReplaced() error {
	var errs []error
	for _, r := range f.replaced {
		f.settled += int64(r.segment.Bytes) - int64(r.old.Bytes)
		f.newNames = true
		if err := f.disk.remove(r.old.File); err != nil {
			errs = append(errs, &WriteError{File: r.old.File, Err: err})
		}
	}
	f.replaced = f.replaced[:0]
	return errors.Join(errs...)
}

// tellLost adds the losses that are not told yet.
func (f *flusher) tellLost() error {
	losses := f.lost.take()
	if len(losses) == 0 {
		return nil
	}
	return errors.Join(f.changes.AddLosses(losses), f.log(schemas.LogError, f.failed.Load().Error()+": no more events are taken"))
}

func (f *flusher) log(level schemas.LogLevel, text string) error {
	return f.changes.AddLog([]schemas.LogEntry{{Time: f.now, Level: level, Text: text}})
}

// commit commits changes, and those that could not be committed before.
func (f *flusher) commit(changes ...*catalog.Changes) error {
	f.uncommitted = append(f.uncommitted, changes...)
	if err := f.catalog.Commit(f.uncommitted...); err != nil {
		return &WriteError{File: catalogFile, Err: err}
	}
	for _, c := range f.uncommitted {
		select {
		case f.spares <- c:
		default:
		}
	}
	f.uncommitted = f.uncommitted[:0]
	return nil
}

// measure brings the capture's size up to date.
func (f *flusher) measure() {
	n := f.settled + f.catalog.Bytes()
	for s := range f.unsettled {
		n += s.w.Bytes()
	}
	f.bytes.Store(n)
}

// close ends the goroutines, seals, and closes everything. It follows the last work.
func (f *flusher) close() error {
	close(f.queue)
	f.idle.Wait()
	errs := []error{f.seal()}
	f.measure()
	for _, s := range f.open {
		if s != nil {
			errs = append(errs, s.w.Close())
		}
	}
	return errors.Join(append(errs, f.catalog.Close(), f.disk.close())...)
}

// seal seals what can be sealed within the budget, at the end. Where the catalogue cannot be written that is of no use.
func (f *flusher) seal() error {
	if len(f.uncommitted) == 0 {
		f.sealer.finish(f.opts.SealBudget)
		return f.tell(&catalog.Changes{})
	}
	f.sealer.finish(0)
	var errs []error
	sealed, _ := f.sealer.take()
	for i := range sealed {
		errs = append(errs, f.disk.remove(sealed[i].segment.File))
	}
	return errors.Join(errs...)
}
