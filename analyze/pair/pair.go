// Package pair matches the events of two point tables: a start and an end with the same key make a span of time.
//
// It imports the standard library only. Events come in the order of time; memory is bounded by the number of keys that are remembered.
package pair

import (
	"cmp"
	"math"
	"slices"
)

// MaxFields is how many fields make a key.
const MaxFields = 4

// Key is what a start and its end have in common: numbers, or numbers that stand for texts.
type Key [MaxFields]uint64

// Interval is a span of time, [From, To), in which events of either table were lost.
type Interval struct{ From, To int64 }

// Reason says why a start has no end, or an end no start.
type Reason uint8

// The reasons.
const (
	StartOpen       Reason = iota // no end came
	StartSuperseded               // its key started again first
	StartLost                     // events were lost before the next event with its key, or the end of all: its end may be among them
	StartNoRoom                   // too many keys are open
	EndBefore                     // the first event with its key: it began before the events did
	EndUnmatched                  // its key is not open: it had its end already, or how it began is not remembered
	EndLost                       // its key is not open, and events were lost since it was closed: the start may be among them
	EndNoRoom                     // its key is not open, and starts were left out for want of room
	reasons
)

// Counts tell what became of all events: Starts = Matched + the starts of Unmatched, Ends = Matched + its ends.
type Counts struct {
	Starts, Ends, Matched uint64
	Unmatched             [reasons]uint64
}

// Pairer matches starts and ends. No pair spans an interval in which events were lost: what looks like a pair could be a start and the end
// of a later one.
type Pairer struct {
	losses []Interval // apart from each other, in order
	room   int
	keys   map[Key]state
	forgot bool // keys that were closed have been forgotten, for want of room
	full   bool // starts were left out
	counts Counts
}

type state struct {
	time  int64 // of the start, or of the end that closed it
	group uint32
	open  bool
}

// DefaultRoom is how many keys are remembered: about 100 bytes each.
const DefaultRoom = 1 << 20

// New makes a pairer that remembers up to room keys; 0: DefaultRoom. losses are in any order.
func New(losses []Interval, room int) *Pairer {
	if room <= 0 {
		room = DefaultRoom
	}
	return &Pairer{losses: join(losses), room: room, keys: map[Key]state{}}
}

// join makes intervals that are apart, in order, of any.
func join(in []Interval) []Interval {
	sorted := slices.Clone(in)
	slices.SortFunc(sorted, func(a, b Interval) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	out := sorted[:0]
	for _, v := range sorted {
		if n := len(out); n > 0 && v.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, v.To)
			continue
		}
		out = append(out, v)
	}
	return out
}

// lost reports whether events were lost between two times.
func (p *Pairer) lost(from, to int64) bool {
	// The first interval that ends after from.
	i, _ := slices.BinarySearchFunc(p.losses, from, func(v Interval, from int64) int {
		if v.To <= from {
			return -1
		}
		return 1
	})
	return i < len(p.losses) && p.losses[i].From < to
}

// Start takes a start of a group.
func (p *Pairer) Start(k Key, time int64, group uint32) {
	p.counts.Starts++
	before, known := p.keys[k]
	if known && before.open {
		p.unmatched(before.time, time, StartSuperseded, StartLost)
	}
	if !known && len(p.keys) >= p.room && !p.makeRoom() {
		p.full = true
		p.counts.Unmatched[StartNoRoom]++
		return
	}
	p.keys[k] = state{time: time, group: group, open: true}
}

// End takes an end. matched says that it has a start, of a group, so many nanoseconds before.
func (p *Pairer) End(k Key, time int64) (duration int64, group uint32, matched bool) {
	p.counts.Ends++
	before, known := p.keys[k]
	switch {
	case known && before.open && !p.lost(before.time, time):
		p.counts.Matched++
		p.keys[k] = state{time: time}
		return time - before.time, before.group, true
	case known && before.open:
		p.counts.Unmatched[StartLost]++
		p.counts.Unmatched[EndLost]++
		p.keys[k] = state{time: time}
		return 0, 0, false
	case known:
		p.unmatched(before.time, time, EndUnmatched, EndLost)
		p.keys[k] = state{time: time}
		return 0, 0, false
	case p.full:
		p.counts.Unmatched[EndNoRoom]++
	case p.lost(math.MinInt64, time):
		p.counts.Unmatched[EndLost]++
	case p.forgot:
		p.counts.Unmatched[EndUnmatched]++
	default:
		p.counts.Unmatched[EndBefore]++
	}
	if len(p.keys) < p.room || p.makeRoom() {
		p.keys[k] = state{time: time}
	}
	return 0, 0, false
}

// unmatched counts an event without its partner: by one reason, or by the other where events were lost between two times.
func (p *Pairer) unmatched(from, to int64, reason, lost Reason) {
	if p.lost(from, to) {
		reason = lost
	}
	p.counts.Unmatched[reason]++
}

// makeRoom forgets the keys that are closed. It returns whether that made any.
func (p *Pairer) makeRoom() bool {
	before := len(p.keys)
	for k, s := range p.keys {
		if !s.open {
			delete(p.keys, k)
		}
	}
	if len(p.keys) < before {
		p.forgot = true
	}
	return len(p.keys) < p.room
}

// Finish takes the end of all events: what is open stays without an end. It calls open for each such start's group, and returns what became
// of all events.
func (p *Pairer) Finish(end int64, open func(group uint32)) Counts {
	for _, s := range p.keys {
		if s.open {
			p.unmatched(s.time, end, StartOpen, StartLost)
			open(s.group)
		}
	}
	p.keys = nil
	return p.counts
}
