package record

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"probetape/record/attach"
	"probetape/record/decode"
	"probetape/schemas"
)

// fakeClock is moved by the test.
type fakeClock struct{ now int64 }

func (c *fakeClock) Boot() int64 { c.now++; return c.now }
func (c *fakeClock) Sample() (schemas.ClockSample, error) {
	return schemas.ClockSample{Boot: c.now, Mono: c.now, Real: c.now + 1e18}, nil
}

// fakeSession is a kernel whose programs send records of a point table: some are lost, and the others arrive when the CPU's batch is
// flushed, or before.
type fakeSession struct {
	clock    *fakeClock
	produce  func(s *fakeSession) // called while the recorder waits
	held     [][]byte             // in a CPU's batch
	visible  [][]byte             // in the buffer
	tasks    [][]byte
	counts   []attach.Counts
	lost     []uint64
	running  [][]byte
	detached bool
}

func (s *fakeSession) DrainEvents(wait time.Duration, fn func(int, []byte) error) error {
	s.clock.now += int64(wait)
	if wait > 0 && s.produce != nil && !s.detached {
		s.produce(s)
	}
	for len(s.visible) > 0 {
		sample := s.visible[0]
		s.visible = s.visible[1:]
		if err := fn(0, sample); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeSession) DrainTasks(fn func(int, []byte) error) error {
	for len(s.tasks) > 0 {
		sample := s.tasks[0]
		s.tasks = s.tasks[1:]
		if err := fn(0, sample); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeSession) LostTasks() uint64 { return 0 }
func (s *fakeSession) Interrupt() error  { return nil }
func (s *fakeSession) Flush() error {
	s.visible = append(s.visible, s.held...)
	s.held = nil
	return nil
}
func (s *fakeSession) Counters() ([]attach.Counts, error) {
	return append([]attach.Counts(nil), s.counts...), nil
}
func (s *fakeSession) Running(fn func([]byte) error) error {
	for _, r := range s.running {
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}
func (s *fakeSession) Stats() (attach.Stats, error) { return attach.Stats{Runs: -1}, nil }
func (s *fakeSession) Detach() error                { s.detached = true; return nil }

// attempt is one hit of a site.
func (s *fakeSession) attempt(site int, lost, flushed bool) {
	s.clock.now++
	s.counts[site].Attempted++
	if lost {
		s.lost[site]++
		return
	}
	sample := pointSample(uint32(site), uint64(s.clock.now))
	if flushed {
		s.visible = append(s.visible, sample)
	} else {
		s.held = append(s.held, sample)
	}
}

// pointSample is a sample of one record of table 0, which has no fields.
func pointSample(site uint32, at uint64) []byte {
	const head, rec = int(unsafe.Sizeof(schemas.WireBatch{})), int(unsafe.Sizeof(schemas.WireRecord{}) + unsafe.Sizeof(schemas.WireFields{}))
	b := make([]byte, head+rec)
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	binary.LittleEndian.PutUint16(b[head:], uint16(rec))
	binary.LittleEndian.PutUint32(b[head+4:], site)
	binary.LittleEndian.PutUint64(b[head+8:], at)
	binary.LittleEndian.PutUint64(b[head+16:], 20<<32|20)
	return b
}

// fakeCapture keeps everything.
type fakeCapture struct {
	rows     map[schemas.SiteID]uint64
	rowsOf   map[schemas.TaskID]int // nil: not counted
	losses   []schemas.Loss
	totals   []schemas.SiteTotals
	tasks    []schemas.Task
	clock    []schemas.ClockSample
	log      []schemas.LogEntry
	blocked  []schemas.Blocked
	manifest schemas.Manifest
	flushes  int
	bytes    int64
	refuse   func() error // of Append
}

func (c *fakeCapture) Append(b *schemas.Batch) error {
	if c.refuse != nil {
		if err := c.refuse(); err != nil {
			return err
		}
	}
	for i, s := range b.Site[:b.Len] {
		c.rows[s]++
		if c.rowsOf != nil {
			c.rowsOf[b.Task[i]]++
		}
	}
	c.bytes += int64(b.Len)
	return nil
}
func (c *fakeCapture) AddTasks(t []schemas.Task) error { c.tasks = append(c.tasks, t...); return nil }
func (c *fakeCapture) AddLosses(l []schemas.Loss) error {
	c.losses = append(c.losses, l...)
	return nil
}
func (c *fakeCapture) SetTotals(t []schemas.SiteTotals) error { c.totals = t; return nil }
func (c *fakeCapture) AddClock(s schemas.ClockSample) error   { c.clock = append(c.clock, s); return nil }
func (c *fakeCapture) AddBlocked(b []schemas.Blocked) error {
	c.blocked = append(c.blocked, b...)
	return nil
}
func (c *fakeCapture) AddLog(e []schemas.LogEntry) error    { c.log = append(c.log, e...); return nil }
func (c *fakeCapture) SetManifest(m schemas.Manifest) error { c.manifest = m; return nil }
func (c *fakeCapture) Flush() error                         { c.flushes++; return nil }
func (c *fakeCapture) Bytes() int64                         { return c.bytes }

// newTestLoop makes a loop of n sites over fakes.
func newTestLoop(n int) (*loop, *fakeSession, *fakeCapture) {
	clock := &fakeClock{now: 1e9}
	session := &fakeSession{clock: clock, counts: make([]attach.Counts, n), lost: make([]uint64, n)}
	capture := &fakeCapture{rows: map[schemas.SiteID]uint64{}}
	l := &loop{
		session: session, capture: capture, clock: clock,
		tasks:  newTasks(fakeProcs{}, nil),
		ledger: newLedger(n, clock.now),
		limits: &limits{}, stop: &stopper{}, flush: time.Second,
		cost: func() (schemas.Cost, error) { return schemas.Cost{}, nil },
	}
	l.manifest.Start = clock.now
	sites := make([]schemas.Site, n)
	l.decoder = decode.New(decode.Config{
		Tables: []schemas.Table{{Name: "t"}}, Sites: sites, Tasks: l.tasks, Emit: l.emit, BatchRows: 64,
	})
	l.taskFn = l.takeTask
	l.tasks.fresh = l.readTasks
	return l, session, capture
}

// checkLedger holds a finished recording against what the session knows.
func checkLedger(t *testing.T, s *fakeSession, c *fakeCapture, stored uint64) {
	t.Helper()
	told := map[schemas.SiteID]uint64{}
	for _, l := range c.losses {
		if l.From > l.To || l.Count == 0 {
			t.Errorf("loss %+v makes no sense", l)
		}
		told[l.Site] += l.Count
	}
	var lost uint64
	for i, total := range c.totals {
		id := schemas.SiteID(i)
		if total.Seen+total.Lost != total.Attempted {
			t.Errorf("site %d: seen %d + lost %d is not attempted %d", i, total.Seen, total.Lost, total.Attempted)
		}
		if want := s.counts[i].Attempted + uint64(runningOf(s, i)); total.Attempted != want {
			t.Errorf("site %d: attempted %d, want %d", i, total.Attempted, want)
		}
		if total.Seen != c.rows[id] {
			t.Errorf("site %d: seen %d, but the capture has %d rows", i, total.Seen, c.rows[id])
		}
		if told[id] != total.Lost {
			t.Errorf("site %d: the losses add up to %d, the total says %d", i, told[id], total.Lost)
		}
		if stored == 0 && total.Lost != s.lost[i] {
			t.Errorf("site %d: lost %d, want %d", i, total.Lost, s.lost[i])
		}
		lost += total.Lost
	}
	if stored > 0 && lost == 0 {
		t.Error("rows were refused, and nothing is lost")
	}
}

func runningOf(s *fakeSession, site int) int {
	n := 0
	for _, r := range s.running {
		if binary.LittleEndian.Uint32(r[4:]) == uint32(site) {
			n++
		}
	}
	return n
}

func TestLedgerIsExact(t *testing.T) {
	const sites = 5
	rnd := rand.New(rand.NewPCG(1, 2))
	l, session, capture := newTestLoop(sites)
	lostBy := make(map[int64]uint64) // by the time of the loss
	rounds := 0
	session.produce = func(s *fakeSession) {
		for range rnd.IntN(400) {
			lost := rnd.IntN(10) == 0
			s.attempt(rnd.IntN(sites), lost, rnd.IntN(3) == 0)
			if lost {
				lostBy[s.clock.now]++
			}
		}
		if rounds++; rounds == 200 {
			l.stop.ask("test")
		}
	}
	session.running = [][]byte{pointSample(2, 5)[unsafe.Sizeof(schemas.WireBatch{}):], pointSample(2, 6)[unsafe.Sizeof(schemas.WireBatch{}):]}
	reason, err := l.run()
	if reason != "test" || err != nil {
		t.Fatalf("run = %q, %v", reason, err)
	}
	if err := l.finish(); err != nil {
		t.Fatal(err)
	}
	checkLedger(t, session, capture, 0)
	if capture.flushes < 10 || len(capture.clock) < 2 {
		t.Errorf("%d flushes and %d clock samples in 20 s", capture.flushes, len(capture.clock))
	}
	// Every interval has its own losses, since no program runs between the reading of the counters and the time taken after it here.
	byInterval := map[[2]int64]uint64{}
	for _, loss := range capture.losses {
		byInterval[[2]int64{loss.From, loss.To}] += loss.Count
	}
	for span, n := range byInterval {
		var want uint64
		for at, k := range lostBy {
			if at > span[0] && at <= span[1] {
				want += k
			}
		}
		if n != want {
			t.Errorf("from %d to %d: %d told lost, want %d", span[0], span[1], n, want)
		}
	}
	if res := l.result(reason); res.Events+res.Lost == 0 || res.Lost != l.ledger.lost() {
		t.Errorf("result = %+v", res)
	}
}

// TestFlushedIsTrue: what the manifest calls flushed is in the capture or in the losses, at every flush.
func TestFlushedIsTrue(t *testing.T) {
	l, session, capture := newTestLoop(1)
	var sent []int64
	rounds := 0
	session.produce = func(s *fakeSession) {
		for range 100 {
			s.attempt(0, false, false)
			sent = append(sent, s.clock.now)
		}
		before := uint64(0)
		for _, at := range sent {
			if at < capture.manifest.Flushed {
				before++
			}
		}
		if capture.rows[0] < before {
			t.Errorf("%d records were sent before %d, which is called flushed; the capture has %d", before, capture.manifest.Flushed, capture.rows[0])
		}
		if rounds++; rounds == 60 {
			l.stop.ask("test")
		}
	}
	if _, err := l.run(); err != nil {
		t.Fatal(err)
	}
	if capture.manifest.Flushed == 0 {
		t.Error("nothing was ever flushed")
	}
}

func TestCaptureRefusesRows(t *testing.T) {
	full := errors.New("no space left on device")
	l, session, capture := newTestLoop(2)
	session.produce = func(s *fakeSession) {
		for range 500 {
			s.attempt(s.rndSite(), false, false)
		}
	}
	n := 0
	capture.refuse = func() error {
		if n++; n > 20 {
			return full
		}
		return nil
	}
	_, err := l.run()
	var refused *CaptureError
	if !errors.As(err, &refused) || !errors.Is(err, full) {
		t.Fatalf("run = %v; want a *CaptureError", err)
	}
	if err := l.finish(); !errors.Is(err, full) {
		t.Errorf("finish = %v", err)
	}
	checkLedger(t, session, capture, 1)
	reasons := map[schemas.LossReason]bool{}
	for _, loss := range capture.losses {
		reasons[loss.Reason] = true
	}
	if !reasons[schemas.LossStore] {
		t.Errorf("losses by %v; want the store among them", reasons)
	}
}

func (s *fakeSession) rndSite() int { return int(s.clock.now) & 1 }

func TestMaxSize(t *testing.T) {
	l, session, capture := newTestLoop(1)
	l.limits.maxBytes = 1000
	session.produce = func(s *fakeSession) {
		for range 300 {
			s.attempt(0, false, false)
		}
	}
	reason, err := l.run()
	if reason != ReasonMaxSize || err != nil {
		t.Fatalf("run = %q, %v; want %q", reason, err, ReasonMaxSize)
	}
	if err := l.finish(); err != nil {
		t.Fatal(err)
	}
	checkLedger(t, session, capture, 0)
}

func TestDiskNearlyFull(t *testing.T) {
	l, session, _ := newTestLoop(1)
	free := int64(100 << 20)
	l.limits.space = func() (int64, int64, error) { return free, 1 << 40, nil }
	session.produce = func(*fakeSession) { free -= 10 << 20 }
	reason, err := l.run()
	if reason != ReasonDiskFull || err != nil {
		t.Fatalf("run = %q, %v; want %q", reason, err, ReasonDiskFull)
	}
	if free >= 64<<20 || free < 50<<20 {
		t.Errorf("it ended with %d bytes free, want a little under 64 MiB", free)
	}
}

func TestShortTaskEvent(t *testing.T) {
	l, session, capture := newTestLoop(1)
	session.tasks = [][]byte{{1, 2, 3}}
	session.produce = func(*fakeSession) {
		l.stop.ask("test")
	}
	if _, err := l.run(); err != nil {
		t.Fatal(err)
	}
	if err := l.finish(); err != nil {
		t.Fatal(err)
	}
	if len(capture.log) != 1 || capture.log[0].Level != schemas.LogWarn {
		t.Errorf("the log is %+v; want a warning of the event that could not be read", capture.log)
	}
}

// BenchmarkLoop is the way of an event from a visible sample into a capture that takes everything: decoding, the look-up of its task,
// batching, accounting.
func BenchmarkLoop(b *testing.B) {
	l, session, _ := newTestLoop(16)
	const perSample = 128
	head := int(unsafe.Sizeof(schemas.WireBatch{}))
	var sample []byte
	for i := range perSample {
		one := pointSample(uint32(i%16), uint64(1e9+i))
		if sample == nil {
			sample = append(sample, one...)
		} else {
			sample = append(sample, one[head:]...)
		}
	}
	binary.LittleEndian.PutUint32(sample, uint32(len(sample)))
	l.tasks.freshTo = 1 << 62
	session.produce = func(s *fakeSession) {}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += perSample {
		session.visible = append(session.visible[:0], sample)
		if err := l.session.DrainEvents(0, l.decoder.Sample); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.decoder.Flush(); err != nil {
		b.Fatal(err)
	}
}
