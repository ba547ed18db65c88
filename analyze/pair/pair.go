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
	closed int  // keys that are not open
	forgot bool // closed keys were forgotten, or not taken
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

// Start takes a start of a group. It returns the group of the start that stays without an end by this, if any: the one that it supersedes, or
// its own where there is no room.
func (p *Pairer) Start(k Key, time int64, group uint32) (left uint32, ok bool) {
	p.counts.Starts++
	s, known := p.keys[k]
	switch {
	case known && s.open:
		p.drop(s, time, StartSuperseded)
		left, ok = s.group, true
	case known:
		p.closed--
	case !p.makeRoom():
		p.full = true
		p.counts.Unmatched[StartNoRoom]++
		return group, true
	}
	p.keys[k] = state{time: time, group: group, open: true}
	return left, ok
}

// drop counts a start that gets no end before a time.
func (p *Pairer) drop(s state, until int64, why Reason) {
	if p.lost(s.time, until) {
		why = StartLost
	}
	p.counts.Unmatched[why]++
}

// End takes an end. Where it has a start, it returns their distance, the start's group, and true. Where it closes a start that it may not
// be paired with, it returns that start's group, and paired is false.
func (p *Pairer) End(k Key, time int64) (distance int64, group uint32, paired, closes bool) {
	p.counts.Ends++
	s, known := p.keys[k]
	if known && s.open {
		p.closed++
		p.keys[k] = state{time: time}
		if p.lost(s.time, time) {
			p.counts.Unmatched[StartLost]++
			p.counts.Unmatched[EndLost]++
			return 0, s.group, false, true
		}
		p.counts.Matched++
		return time - s.time, s.group, true, true
	}
	p.counts.Unmatched[p.whyUnmatched(s, known, time)]++
	if known || p.makeRoom() {
		if !known {
			p.closed++
		}
		p.keys[k] = state{time: time}
	} else {
		p.forgot = true
	}
	return 0, 0, false, false
}

// whyUnmatched says why an end has no start.
func (p *Pairer) whyUnmatched(s state, known bool, time int64) Reason {
	since := int64(math.MinInt64)
	if known {
		since = s.time
	}
	switch {
	case p.lost(since, time):
		return EndLost
	case known:
		return EndUnmatched
	case p.full:
		return EndNoRoom
	case p.forgot:
		return EndUnmatched
	}
	return EndBefore
}

// makeRoom makes room for a key, by forgetting the closed ones when they are worth it.
func (p *Pairer) makeRoom() bool {
	if len(p.keys) < p.room {
		return true
	}
	if p.closed == 0 || p.closed < p.room/4 {
		return false
	}
	for k, s := range p.keys {
		if !s.open {
			delete(p.keys, k)
		}
	}
	p.closed, p.forgot = 0, true
	return true
}

// Close ends the events at a time: every start that is still open has no end. It calls fn with the group of each.
func (p *Pairer) Close(time int64, fn func(group uint32)) Counts {
	for _, s := range p.keys {
		if s.open {
			p.drop(s, time, StartOpen)
			fn(s.group)
		}
	}
	clear(p.keys)
	return p.counts
}
