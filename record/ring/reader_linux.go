package ring

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/perf"
)

// Reader reads the samples of a perf buffer on all CPUs. One goroutine reads at a time; Interrupt and Close may be called beside it.
type Reader struct {
	perf *perf.Reader
	rec  perf.Record
	lost uint64
}

// New opens a buffer of perCPU bytes (rounded up to whole pages, a power of two of them) on each CPU. The reader wakes up when a CPU's
// buffer holds watermark bytes, and otherwise at its time-out only: a wake-up costs the traced program more than ten events.
func New(array *ebpf.Map, perCPU, watermark int) (*Reader, error) {
	r, err := perf.NewReaderWithOptions(array, perCPU, perf.ReaderOptions{Watermark: watermark})
	if err != nil {
		return nil, fmt.Errorf("opening perf buffer of %d bytes per CPU: %w", perCPU, err)
	}
	return &Reader{perf: r}, nil
}

// Drain hands every sample that is in the buffers to fn, waiting until a watermark is reached, Interrupt is called or wait has passed;
// wait 0 does not wait. fn's sample is valid during the call, and may be longer than what was written by up to 7 bytes. An error of fn
// ends the reading and is returned.
func (r *Reader) Drain(wait time.Duration, fn func(cpu int, sample []byte) error) error {
	r.perf.SetDeadline(time.Now().Add(wait))
	for {
		err := r.perf.ReadInto(&r.rec)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, perf.ErrFlushed):
			return nil
		case err != nil:
			return fmt.Errorf("reading perf buffer: %w", err)
		}
		r.lost += r.rec.LostSamples
		if len(r.rec.RawSample) == 0 {
			continue
		}
		if err := fn(r.rec.CPU, r.rec.RawSample); err != nil {
			return err
		}
	}
}

// Interrupt makes a Drain that waits return with what there is.
func (r *Reader) Interrupt() error { return r.perf.Flush() }

// Lost returns how many samples the kernel reported lost. The kernel reports a loss with the next sample that fits only: it is a hint
// for messages; the ledger is kept by the programs' own counters.
func (r *Reader) Lost() uint64 { return r.lost }

// Size returns the bytes of one CPU's buffer.
func (r *Reader) Size() int { return r.perf.BufferSize() }

// Close frees the buffers.
func (r *Reader) Close() error {
	if err := r.perf.Close(); err != nil {
		return fmt.Errorf("closing perf buffer: %w", err)
	}
	return nil
}
