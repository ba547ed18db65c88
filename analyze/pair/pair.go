// Package pair matches the events of two point tables: a start and an end with the same key make a span of time.
//
// It imports the standard library only. Events come in the order of time; memory is bounded by the number of keys that are remembered.
package pair

import (
	"cmp"
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
	forgot int64 // keys closed up to this time were forgotten; valid if forgotten
	full   bool  // starts were left out
	forgetting
	counts Counts
}

type forgetting struct {
	some bool
	upTo int64
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
