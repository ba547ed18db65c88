package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"probetape/schemas"
	"probetape/store/segment"
)

// sealer makes sealed segments out of those that have ended, on one goroutine. While the recording goes on it rests three times as long as it
// works, so that it takes a quarter of a CPU at most.
type sealer struct {
	disk disk

	ctx    context.Context
	cancel context.CancelFunc
	idle   sync.WaitGroup
	hurry  atomic.Bool // no rest: the recording has ended

	mu      sync.Mutex
	wake    *sync.Cond
	waiting []sealJob
	done    []sealedSegment
	notes   string
	ending  bool
	off     bool // nothing is sealed any more
}

// sealJob is a segment that is to be sealed.
type sealJob struct {
	id      segment.Identity
	table   *schemas.Table
	segment schemas.Segment
}

// sealedSegment is a sealed segment in place of another.
type sealedSegment struct {
	old, segment schemas.Segment
}

const (
	restPerWork = 3
	maxRest     = 250 * time.Millisecond
	// spaceToSpare is what the file system must have left beside a segment's copy. A recording stops when there is less.
	spaceToSpare = 64 << 20
)

func newSealer(d disk, on bool) *sealer {
	s := &sealer{disk: d, off: !on}
	s.wake = sync.NewCond(&s.mu)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if on {
		s.idle.Go(s.run)
	}
	return s
}

// give adds a segment to those that wait.
func (s *sealer) give(job sealJob) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.off {
		s.waiting = append(s.waiting, job)
		s.wake.Signal()
	}
}

// take returns the segments that were sealed since the last call, and what there is to say.
func (s *sealer) take() ([]sealedSegment, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done, notes := s.done, s.notes
	s.done, s.notes = nil, ""
	return done, notes
}

// finish lets the sealer work on what waits, for so long at most, and ends it.
func (s *sealer) finish(budget time.Duration) {
	s.hurry.Store(true)
	s.mu.Lock()
	s.ending = true
	s.wake.Signal()
	s.mu.Unlock()
	timer := time.AfterFunc(budget, s.cancel)
	s.idle.Wait()
	timer.Stop()
	s.cancel()
}

// next waits for a segment. It returns false at the end.
func (s *sealer) next() (sealJob, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting) == 0 && !s.ending {
		s.wake.Wait()
	}
	if len(s.waiting) == 0 || s.off || s.ctx.Err() != nil {
		return sealJob{}, false
	}
	job := s.waiting[0]
	s.waiting = s.waiting[1:]
	return job, true
}

func (s *sealer) run() {
	var worker *segment.Sealer // it holds much memory, so it is made when it is needed
	for {
		job, ok := s.next()
		if !ok {
			return
		}
		var err error
		if worker == nil {
			worker, err = segment.NewSealer()
		}
		var sealed *sealedSegment
		if err == nil {
			sealed, err = s.seal(worker, &job)
		}
		s.mu.Lock()
		if sealed != nil {
			s.done = append(s.done, *sealed)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			s.notes = fmt.Sprintf("sealing segment %d: %v: it stays as it was recorded", job.segment.ID, err)
			// A segment that cannot be read is one; a disk that cannot be written is all.
			if _, corrupt := errors.AsType[*segment.CorruptError](err); !corrupt {
				s.off, s.waiting = true, nil
			}
		}
		s.mu.Unlock()
	}
}

// seal seals a segment. It returns nil where there is not enough room for it.
func (s *sealer) seal(worker *segment.Sealer, job *sealJob) (*sealedSegment, error) {
	free, err := s.disk.free()
	if err != nil {
		return nil, err
	}
	if free >= 0 && free < int64(job.segment.Bytes)+spaceToSpare {
		return nil, nil
	}
	source, err := s.disk.open(job.segment.File)
	if err != nil {
		return nil, err
	}
	sealed, err := s.copy(worker, job, source)
	if err := errors.Join(err, source.Close()); err != nil {
		return nil, err
	}
	return &sealedSegment{old: job.segment, segment: sealed}, nil
}

// copy writes the sealed file and brings it to the disk. What it leaves behind with an error is removed.
func (s *sealer) copy(worker *segment.Sealer, job *sealJob, source io.ReaderAt) (schemas.Segment, error) {
	r, err := segment.Open(&pacedReader{r: source, sealer: s, last: time.Now()}, int64(job.segment.Bytes), segment.Options{
		File: job.segment.File, ID: job.id, Table: job.table, Rows: job.segment.Rows,
	})
	if err != nil {
		return schemas.Segment{}, err
	}
	name := segmentFile(job.table, job.id.Segment, true)
	f, err := s.disk.create(name)
	if err != nil {
		return schemas.Segment{}, err
	}
	sealed, err := worker.Seal(s.ctx, f, job.id, []*segment.Reader{r}, nil)
	sealed.File = name
	if err == nil && sealed.Rows != job.segment.Rows {
		err = fmt.Errorf("%d rows became %d", job.segment.Rows, sealed.Rows)
	}
	if err == nil {
		err = s.disk.sync()
	}
	if err != nil {
		return schemas.Segment{}, errors.Join(err, s.disk.remove(name))
	}
	return sealed, nil
}

// pacedReader rests between reads in proportion to the work that was done since the last one.
type pacedReader struct {
	r      io.ReaderAt
	sealer *sealer
	last   time.Time
}

func (p *pacedReader) ReadAt(b []byte, at int64) (int, error) {
	if !p.sealer.hurry.Load() {
		rest := time.NewTimer(min(restPerWork*time.Since(p.last), maxRest))
		select {
		case <-rest.C:
		case <-p.sealer.ctx.Done():
			rest.Stop()
		}
		p.last = time.Now()
	}
	return p.r.ReadAt(b, at)
}
