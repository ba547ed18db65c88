package analyze

import (
	"cmp"
	"math"
	"slices"

	"probetape/schemas"
)

// timeline converts times of a host's boot clock to UTC, by the readings of both that the recording took.
//
// Between two readings the difference of the clocks is taken to change evenly, as it does while NTP slews the clock. Where it changed more
// than slewing can, the clock was set: nobody knows when exactly, and the earlier reading holds until the later one.
type timeline struct {
	samples []schemas.ClockSample // by Boot, each above the one before
}

// maxSlew is how fast the kernel slews a clock, at most: 500 ppm by adjtimex, and as much again for the oscillator's own error.
const maxSlew = 1e-3

func newTimeline(samples []schemas.ClockSample) timeline {
	sorted := slices.Clone(samples)
	slices.SortStableFunc(sorted, func(a, b schemas.ClockSample) int { return cmp.Compare(a.Boot, b.Boot) })
	return timeline{samples: slices.CompactFunc(sorted, func(a, b schemas.ClockSample) bool { return a.Boot == b.Boot })}
}

// known reports whether there is any reading.
func (t timeline) known() bool { return len(t.samples) > 0 }

// utc converts a time of the boot clock to ns since 1970 UTC. Without any reading it is the same time.
func (t timeline) utc(boot int64) int64 {
	if len(t.samples) == 0 {
		return boot
	}
	i, _ := slices.BinarySearchFunc(t.samples, boot, func(s schemas.ClockSample, boot int64) int {
		if s.Boot <= boot {
			return -1
		}
		return 1
	})
	return t.piece(i - 1).utc(boot)
}

// piece is a stretch of the boot clock with its own rule, from one reading to the next.
type piece struct {
	from, to int64 // boot clock, [from, to)
	offset   int64 // real - boot at from
	change   int64 // of the offset from one end to the other
}

func (p piece) utc(boot int64) int64 {
	offset := p.offset
	if p.change != 0 {
		offset = addTime(offset, int64(math.Round(float64(p.change)*(float64(boot-p.from)/float64(p.to-p.from)))))
	}
	return addTime(boot, offset)
}

// piece returns the stretch after reading i; -1 is the one before all of them.
func (t timeline) piece(i int) piece {
	if i < 0 {
		s := t.samples[0]
		return piece{from: math.MinInt64 / 2, to: s.Boot, offset: s.Real - s.Boot}
	}
	s := t.samples[i]
	p := piece{from: s.Boot, to: math.MaxInt64, offset: s.Real - s.Boot}
	if i+1 == len(t.samples) {
		return p
	}
	next := t.samples[i+1]
	p.to = next.Boot
	change, elapsed := next.Real-next.Boot-p.offset, float64(next.Boot)-float64(s.Boot)
	if off := math.Abs(float64(change)); off <= maxSlew*elapsed+float64(s.Uncertainty)+float64(next.Uncertainty) && off < elapsed {
		p.change = change
	}
	return p
}

// boot converts ns since 1970 UTC to a time of the boot clock: the first that utc maps to it or beyond. Where a clock was set back, a
// moment of UTC was twice.
func (t timeline) boot(utc int64) int64 {
	if len(t.samples) == 0 {
		return utc
	}
	for i := -1; i < len(t.samples); i++ {
		p := t.piece(i)
		if p.to != math.MaxInt64 && p.utc(p.to-1) < utc {
			continue
		}
		if p.change == 0 {
			return max(addTime(utc, -p.offset), p.from)
		}
		lo, hi := p.from, p.to-1 // utc(hi) is enough, and utc never falls within a stretch
		for lo < hi {
			mid := lo + (hi-lo)/2
			if p.utc(mid) < utc {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		return lo
	}
	return utc
}

// addTime adds two times; what does not fit is the greatest or least time.
func addTime(a, b int64) int64 {
	s := a + b
	switch {
	case a > 0 && b > 0 && s < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && s >= 0:
		return math.MinInt64
	}
	return s
}
