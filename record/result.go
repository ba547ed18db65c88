package record

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"probetape/schemas"
)

// Result is how a recording ended.
type Result struct {
	Output   string
	Reason   string // why it ended
	Events   uint64 // in the capture
	Lost     uint64 // attempted, and not in the capture
	ByReason map[schemas.LossReason]uint64
	Totals   []schemas.SiteTotals
	Attached int      // sites
	Refused  []string // sites that could not be attached, and why
	Targets  Targets
	Blocked  []string // targets that were in a system call at the end, in words
	Bytes    int64
	Elapsed  time.Duration
	Cost     schemas.Cost
}

// Why a recording ended, besides the reasons of limits.
const (
	ReasonCommand   = "command exited"
	ReasonNoCommand = "command could not be run"
	ReasonDuration  = "duration"
	ReasonError     = "error"
)

// lossWords are the reasons of losses for a person.
var lossWords = []struct {
	reason schemas.LossReason
	words  string
}{
	{schemas.LossBuffer, "the buffers were full"},
	{schemas.LossDecode, "could not be decoded"},
	{schemas.LossStore, "could not be written"},
}

// LostWords says why events were lost.
func (r *Result) LostWords() string {
	var words []string
	for _, l := range lossWords {
		if n := r.ByReason[l.reason]; n > 0 {
			words = append(words, fmt.Sprintf("%d: %s", n, l.words))
		}
	}
	return strings.Join(words, ", ")
}

// BufferLost reports whether larger buffers would have helped.
func (r *Result) BufferLost() bool { return r.ByReason[schemas.LossBuffer] > 0 }

// WhyNone is the likely reason why nothing was recorded.
func (r *Result) WhyNone() string {
	before := uint64(0)
	for _, t := range r.Totals {
		before += t.StartedBefore
	}
	switch {
	case r.Attached == 0:
		return "no site could be attached"
	case before > 0:
		return fmt.Sprintf("only calls that began before the recording returned (%d)", before)
	case len(r.Blocked) > 0:
		return "the targets were waiting all the time: " + strings.Join(r.Blocked[:min(3, len(r.Blocked))], "; ")
	case r.Targets.All || r.Targets.Cgroup != "":
		return "nothing there reached a probe, or every filter said no"
	case len(r.Refused) > 0:
		return fmt.Sprintf("nothing reached a probe; %d could not be attached", len(r.Refused))
	}
	return "the targets reached no probe, or every filter said no"
}

// result sums up a recording.
func (l *loop) result(reason string) *Result {
	r := &Result{
		Reason:   reason,
		ByReason: map[schemas.LossReason]uint64{},
		Totals:   l.ledger.totals(),
		Bytes:    l.capture.Bytes(),
		Elapsed:  time.Duration(l.manifest.End - l.manifest.Start),
		Cost:     l.manifest.Cost,
	}
	for i := range l.ledger.sites {
		s := &l.ledger.sites[i]
		r.ByReason[schemas.LossBuffer] += s.buffer
		r.ByReason[schemas.LossDecode] += s.decode
		r.ByReason[schemas.LossStore] += s.stored
	}
	for _, t := range r.Totals {
		r.Events += t.Seen
		r.Lost += t.Lost
	}
	return r
}

// waitingWords describes what blocked tasks wait for, the same ones once.
func waitingWords(rows []schemas.Blocked, name func(schemas.TaskID) string) []string {
	var words []string
	for _, b := range rows {
		where := b.Syscall
		if where == "" {
			where = b.Wchan
		}
		if where == "" {
			continue
		}
		w := fmt.Sprintf("%s in %s", name(b.Task), where)
		if !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return words
}
