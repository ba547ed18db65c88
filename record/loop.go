package record

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"probetape/record/attach"
	"probetape/record/decode"
	"probetape/schemas"
)

// Session is a loaded program in the kernel, as the loop needs it. Package attach has the real one.
type Session interface {
	// DrainEvents hands over the event samples that are there, waiting for some up to wait.
	DrainEvents(wait time.Duration, fn func(cpu int, sample []byte) error) error
	// DrainTasks hands over the task events that are there.
	DrainTasks(fn func(cpu int, sample []byte) error) error
	// LostTasks is how many task events the kernel reported lost.
	LostTasks() uint64
	// Interrupt makes a DrainEvents that waits return.
	Interrupt() error
	Flush() error
	Counters() ([]attach.Counts, error)
	Running(fn func(record []byte) error) error
	Stats() (attach.Stats, error)
	Detach() error
}

// Capture is where a recording goes. Package store has the real one.
type Capture interface {
	Append(*schemas.Batch) error
	AddTasks([]schemas.Task) error
	AddLosses([]schemas.Loss) error
	SetTotals([]schemas.SiteTotals) error
	AddClock(schemas.ClockSample) error
	AddBlocked([]schemas.Blocked) error
	AddLog([]schemas.LogEntry) error
	SetManifest(schemas.Manifest) error
	// Flush brings everything so far to the disk. It is called once in a flush interval.
	Flush() error
	// Bytes is the size of the capture on disk.
	Bytes() int64
}

// Clock reads the host's clocks.
type Clock interface {
	Boot() int64 // ns
	Sample() (schemas.ClockSample, error)
}

// Observer sees what the capture gets, as it gets it, on the recorder's goroutine: it must be quick. What it is handed is valid during
// the call.
type Observer interface {
	Observe(*schemas.Batch)
	// Totals follows each comparison of the ledger.
	Totals(totals []schemas.SiteTotals, cost schemas.Cost)
}

// Progress is how a recording stands.
type Progress struct {
	Events  uint64 // in the capture, or on the way to it
	Lost    uint64 // known to be lost
	Bytes   int64  // of the capture
	Elapsed time.Duration
}

// The loop's beat. A quarter of a second bounds how long an event stays in a CPU's batch; the task buffers hold 3,500 events a CPU, so
// emptying them ten times a second lets 35,000 tasks a second come and go on it.
const (
	emptyEvery = 250 * time.Millisecond
	drainEvery = 100 * time.Millisecond
	clockEvery = 10 * time.Second
)

// loop is a recording under way: what brings events from the session into the capture.
//
// It has one goroutine, which does this over and over:
//
//  1. Wait for event samples, a tenth of a second at most, and decode each. A record from a time that the task events read so far do
//     not cover makes the decoder's look-up read the task buffers first (tasks.Lookup): no thread is met before its fork.
//  2. Read the task buffers. They hold few events, and nothing else empties them while there are no samples.
//  3. Four times a second, make every CPU send its unfinished batch.
//  4. Once in a flush interval, do that and read both buffers again. Everything sent before the previous reading of the counters has
//     arrived now: compare it with that reading (ledger.compare), which gives the losses of the interval before; then read the counters.
//  5. Hand the collected rows, the changed tasks, losses, totals and a clock sample to the capture, and flush it. The capture is true up
//     to the time of the compared reading, which the manifest names.
//  6. Stop if something asks for it: the command's end, the duration, a signal, the size of the capture, the space on the disk, an error.
//
// And at the end:
//
//  7. Detach; no program runs any more when that returns. Send the batches, read the buffers, and write calls still under way as rows.
//  8. Read the counters a last time and compare: attempted = seen + lost, exactly, for every site.
type loop struct {
	session  Session
	capture  Capture
	clock    Clock
	tasks    *tasks
	decoder  *decode.Decoder
	ledger   *ledger
	observer Observer
	limits   *limits
	progress func(Progress)
	stop     *stopper
	manifest schemas.Manifest
	flush    time.Duration
	cost     func() (schemas.Cost, error)

	log       []schemas.LogEntry
	taskFn    func(cpu int, sample []byte) error
	lostTasks uint64
	nextEmpty int64 // boot clock
	nextFlush int64
	nextClock int64
	events    uint64
}

// run is the loop until something stops it. It returns why.
func (l *loop) run() (string, error) {
	now := l.clock.Boot()
	l.nextEmpty, l.nextFlush, l.nextClock = now+int64(emptyEvery), now+int64(l.flush), now+int64(clockEvery)
	for {
		wait := min(time.Duration(min(l.nextEmpty, l.nextFlush)-l.clock.Boot()), drainEvery)
		if err := l.read(max(wait, 0)); err != nil {
			return "", err
		}
		switch now := l.clock.Boot(); {
		case now >= l.nextFlush:
			if err := l.flushInterval(); err != nil {
				return "", err
			}
			l.nextFlush = max(l.nextFlush+int64(l.flush), now)
			l.nextEmpty = now + int64(emptyEvery)
		case now >= l.nextEmpty:
			if err := l.session.Flush(); err != nil {
				return "", err
			}
			l.nextEmpty = now + int64(emptyEvery)
			l.report()
		}
		reason, err := l.limits.reached(l.capture.Bytes())
		if err != nil {
			return "", err
		}
		if asked := l.stop.reason(); asked != "" {
			reason = asked
		}
		if reason != "" {
			return reason, nil
		}
	}
}

// read is steps 1 and 2.
func (l *loop) read(wait time.Duration) error {
	if err := l.session.DrainEvents(wait, l.decoder.Sample); err != nil {
		return err
	}
	if _, err := l.readTasks(); err != nil {
		return err
	}
	return l.tasks.err
}

// readTasks reads the task buffers, and returns the time before which nothing is left in them.
func (l *loop) readTasks() (int64, error) {
	now := l.clock.Boot()
	if err := l.session.DrainTasks(l.taskFn); err != nil {
		return 0, err
	}
	l.tasks.freshTo = max(l.tasks.freshTo, now)
	return now, nil
}

// exeOffset is where the path begins in a task event; the sample ends with its used part.
const exeOffset = int(unsafe.Offsetof(schemas.WireTask{}.Exe))

// takeTask takes one task event.
func (l *loop) takeTask(_ int, sample []byte) error {
	if len(sample) < exeOffset {
		l.note(schemas.LogWarn, fmt.Sprintf("a task event of %d bytes was too short to read", len(sample)))
		return nil
	}
	var w schemas.WireTask
	n := copy(unsafe.Slice((*byte)(unsafe.Pointer(&w)), unsafe.Sizeof(w)), sample)
	exe := w.Exe[:min(int(w.Len), n-exeOffset, len(w.Exe))]
	l.tasks.event(&w, cString(exe))
	return nil
}

// emit hands a batch of rows on. Rows that the capture refuses are counted as lost to the store.
func (l *loop) emit(b *schemas.Batch) error {
	if err := l.capture.Append(b); err != nil {
		for _, site := range b.Site[:b.Len] {
			l.ledger.sites[site].store++
		}
		return &CaptureError{Err: err}
	}
	if l.observer != nil {
		l.observer.Observe(b)
	}
	return nil
}

// CaptureError is returned where the capture could not be written: the recording ends, and keeps what it has.
type CaptureError struct{ Err error }

func (e *CaptureError) Error() string { return "writing the capture: " + e.Err.Error() }
func (e *CaptureError) Unwrap() error { return e.Err }

// flushInterval is steps 4 and 5.
func (l *loop) flushInterval() error {
	if err := l.session.Flush(); err != nil {
		return err
	}
	if err := l.read(0); err != nil {
		return err
	}
	if err := l.decoder.Flush(); err != nil {
		return err
	}
	l.takeSeen()
	losses := l.ledger.compare()
	compared := l.ledger.to
	if err := l.readCounters(); err != nil {
		return err
	}
	at := l.clock.Boot()
	l.decoder.Advance(at)
	l.ledger.next(at)
	return l.bringUpToDate(losses, compared, at)
}

// takeSeen copies the decoder's sums into the ledger.
func (l *loop) takeSeen() {
	l.events = 0
	for i := range l.ledger.sites {
		d, s := l.decoder.Ledger(schemas.SiteID(i)), &l.ledger.sites[i]
		s.seen, s.bad, s.unread = d.Seen, d.Bad, d.Unread
		l.events += d.Seen + d.After
	}
}

func (l *loop) readCounters() error {
	counts, err := l.session.Counters()
	if err != nil {
		return err
	}
	if len(counts) != len(l.ledger.sites) {
		return fmt.Errorf("reading counters: %d sites, want %d", len(counts), len(l.ledger.sites))
	}
	for i, c := range counts {
		s := &l.ledger.sites[i]
		s.attempted, s.started, s.mapFull, s.missed = c.Attempted, c.StartedBefore, c.MapFull, c.Missed
	}
	return nil
}

// bringUpToDate hands everything but rows to the capture and flushes it. flushed is the time up to which rows and losses are complete.
func (l *loop) bringUpToDate(losses []schemas.Loss, flushed, now int64) error {
	if lost := l.session.LostTasks(); lost > l.lostTasks {
		l.note(schemas.LogWarn, fmt.Sprintf("%d task events were lost: tasks may lack their names", lost-l.lostTasks))
		l.lostTasks = lost
	}
	cost, err := l.cost()
	if err != nil {
		return err
	}
	l.manifest.Cost, l.manifest.Flushed = cost, max(l.manifest.Flushed, flushed)
	totals := l.ledger.totals()
	err = errors.Join(
		l.capture.AddTasks(l.tasks.take()),
		l.capture.AddLosses(losses),
		l.capture.SetTotals(totals),
		l.sampleClock(now),
		l.capture.AddLog(l.log),
		l.capture.SetManifest(l.manifest),
	)
	if err == nil {
		err = l.capture.Flush()
	}
	if err != nil {
		return &CaptureError{Err: err}
	}
	l.log = l.log[:0]
	l.tasks.forget(flushed)
	if l.observer != nil {
		l.observer.Totals(totals, cost)
	}
	l.report()
	return nil
}

func (l *loop) sampleClock(now int64) error {
	if now < l.nextClock {
		return nil
	}
	l.nextClock = now + int64(clockEvery)
	s, err := l.clock.Sample()
	if err != nil {
		return err
	}
	return l.capture.AddClock(s)
}

// note adds a line to the recorder's log in the capture.
func (l *loop) note(level schemas.LogLevel, text string) {
	l.log = append(l.log, schemas.LogEntry{Time: l.clock.Boot(), Level: level, Text: text})
}

func (l *loop) report() {
	if l.progress != nil {
		l.progress(l.standing())
	}
}

func (l *loop) standing() Progress {
	return Progress{
		Events:  l.events,
		Lost:    l.ledger.lost(),
		Bytes:   l.capture.Bytes(),
		Elapsed: time.Duration(l.clock.Boot() - l.manifest.Start),
	}
}

// runningCall decodes a call that is still under way. It has not ended on any CPU; its row says 0.
func (l *loop) runningCall(record []byte) error { return l.decoder.Record(0, record) }

// finish is steps 7 and 8. Whatever fails, the rest is still done: what was recorded is kept.
func (l *loop) finish() error {
	errs := []error{l.stop.failed(), l.session.Detach()}
	end := l.clock.Boot()
	errs = append(errs, l.session.Flush(), l.read(0))
	// Nothing is on its way any more: the last reading can be compared, and all that was decoded was sent before now.
	l.takeSeen()
	losses := l.ledger.compare()
	l.decoder.Advance(l.clock.Boot())
	l.takeSeen()
	for i := range l.ledger.sites {
		s := &l.ledger.sites[i]
		s.running = -(s.seen + s.bad) // what arrived; below, what the calls under way added to it
	}
	errs = append(errs, l.session.Running(l.runningCall), l.decoder.Flush())
	l.decoder.Advance(l.clock.Boot())
	l.takeSeen()
	for i := range l.ledger.sites {
		s := &l.ledger.sites[i]
		s.running += s.seen + s.bad
	}
	errs = append(errs, l.readCounters())
	if n := l.decoder.Damaged(); n > 0 {
		l.note(schemas.LogWarn, fmt.Sprintf("%d samples made no sense; their events are among the lost ones", n))
	}
	l.ledger.next(end)
	losses = append(losses, l.ledger.compare()...)
	l.nextClock = 0
	l.manifest.End = end
	errs = append(errs, l.bringUpToDate(losses, end, end))
	return errors.Join(errs...)
}
