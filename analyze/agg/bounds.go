package agg

import (
	"fmt"
	"math/bits"
	"slices"
)

// Bounds are the upper bounds of a few wide buckets, as Prometheus has them: bucket i holds the values above Bounds[i-1] and up to
// Bounds[i], and one more holds the rest.
type Bounds struct {
	upper []int64
	first [65]uint8 // by a value's length in bits: the first bucket that it can be in
}

// NewBounds makes the buckets below the given bounds, which must rise, be positive, and be at most 250.
func NewBounds(upper []int64) (*Bounds, error) {
	if len(upper) == 0 || len(upper) > 250 {
		return nil, fmt.Errorf("making buckets: %d bounds, want 1 to 250", len(upper))
	}
	for i, u := range upper {
		if u <= 0 || i > 0 && u <= upper[i-1] {
			return nil, fmt.Errorf("making buckets: bound %d is %d ns, want bounds above zero that rise", i, u)
		}
	}
	b := &Bounds{upper: slices.Clone(upper)}
	for n := range b.first {
		least := int64(0)
		if n > 0 && n < 64 {
			least = 1 << (n - 1)
		}
		i, _ := slices.BinarySearch(b.upper, least)
		b.first[n] = uint8(i)
	}
	return b, nil
}

// Upper returns the bounds. They are not to be changed.
func (b *Bounds) Upper() []int64 { return b.upper }

// Len returns how many buckets there are, the one for the rest included.
func (b *Bounds) Len() int { return len(b.upper) + 1 }

// Index returns the bucket of a value; negative values are in the first.
func (b *Bounds) Index(v int64) int {
	if v < 0 {
		return 0
	}
	i := int(b.first[bits.Len64(uint64(v))])
	for i < len(b.upper) && v > b.upper[i] {
		i++
	}
	return i
}
