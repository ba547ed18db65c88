package agg

import (
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// RelativeError is by how much of itself a percentile can be too high: buckets are 1/128 of their values wide at most.
const RelativeError = 1.0 / 128

const (
	digits    = 2    // significant decimal digits, which make 128 buckets for each power of two
	denseFrom = 2048 // values, from which on a histogram is worth an array
)

// Room bounds how many histograms keep an array of all buckets (57 KiB, 4 ns a value) instead of a list of the used ones (a few hundred
// bytes, 50 ns a value). It is not safe for concurrent use.
type Room struct{ Dense int }

// Histogram is a distribution of durations in nanoseconds, with exact count, minimum, maximum and sum. The zero value is empty.
//
// Buckets cover every value from 0 to math.MaxInt64. Values below zero are counted apart: only damaged captures have them.
type Histogram struct {
	count      uint64
	outOfRange uint64
	sum        int64
	min, max   int64

	packed *hdrhistogram.PackedHistogram
	dense  *hdrhistogram.Histogram
}

// Record adds a value.
func (h *Histogram) Record(v int64, room *Room) {
	if v < 0 {
		h.outOfRange++
		return
	}
	if h.dense == nil {
		h.grow(room)
	}
	if h.count == 0 || v < h.min {
		h.min = v
	}
	if v > h.max {
		h.max = v
	}
	h.count++
	h.sum = AddSaturated(h.sum, v)
	var err error
	if h.dense != nil {
		err = h.dense.RecordValue(v)
	} else {
		err = h.packed.RecordValue(v)
	}
	if err != nil {
		panic("recording a duration: " + err.Error()) // the buckets cover every value that is left
	}
}

// grow makes the first representation, and the second one when it pays and there is room.
func (h *Histogram) grow(room *Room) {
	switch {
	case h.packed == nil:
		h.packed = hdrhistogram.NewPacked(1, math.MaxInt64, digits)
	case h.count >= denseFrom && room.Dense > 0:
		room.Dense--
		h.dense = hdrhistogram.New(1, math.MaxInt64, digits)
		h.packed.MergeInto(h.dense)
		h.packed = nil
	}
}

// AddSaturated adds two numbers that are not negative; a sum that does not fit is math.MaxInt64. It is associative, as merging needs.
func AddSaturated(a, b int64) int64 {
	if s := a + b; s >= 0 {
		return s
	}
	return math.MaxInt64
}

// Merge adds another histogram's values. The other one is not to be used after it.
func (h *Histogram) Merge(o *Histogram) {
	h.outOfRange += o.outOfRange
	if o.count == 0 {
		return
	}
	if h.count == 0 {
		o.outOfRange = h.outOfRange
		*h = *o
		return
	}
	h.min, h.max = min(h.min, o.min), max(h.max, o.max)
	h.count += o.count
	h.sum = AddSaturated(h.sum, o.sum)
	switch {
	case h.dense != nil && o.dense != nil:
		h.dense.Merge(o.dense)
	case h.dense != nil:
		o.packed.MergeInto(h.dense)
	case o.dense != nil:
		h.packed.MergeInto(o.dense)
		h.dense, h.packed = o.dense, nil
	default:
		h.packed.Merge(o.packed)
	}
}

// Count returns how many values there are, without those out of range.
func (h *Histogram) Count() uint64 { return h.count }

// OutOfRange returns how many values were below zero.
func (h *Histogram) OutOfRange() uint64 { return h.outOfRange }

// Sum returns the sum of the values, math.MaxInt64 at most.
func (h *Histogram) Sum() int64 { return h.sum }

// Min returns the least value, 0 without any.
func (h *Histogram) Min() int64 { return h.min }

// Max returns the greatest value, 0 without any.
func (h *Histogram) Max() int64 { return h.max }

// Percentile returns the smallest value that at least perMille thousandths of the values do not exceed, too high by RelativeError of
// itself at most; 0 without values.
func (h *Histogram) Percentile(perMille uint64) int64 {
	if h.count == 0 {
		return 0
	}
	// The library rounds a rank to the nearest; this asks for the rank itself.
	rank := max(ceilShare(h.count, perMille), 1)
	percent := 100 * float64(rank) / float64(h.count)
	var v int64
	if h.dense != nil {
		v = h.dense.ValueAtPercentile(percent)
	} else {
		v = h.packed.ValueAtPercentile(percent)
	}
	return min(max(v, h.min), h.max)
}

// ceilShare returns perMille thousandths of n, rounded up, without overflow.
func ceilShare(n, perMille uint64) uint64 {
	return n/1000*perMille + (n%1000*perMille+999)/1000
}

// Buckets calls fn for each used bucket, from the least values to the greatest: count values in [from, to].
func (h *Histogram) Buckets(fn func(from, to int64, count uint64)) {
	switch {
	case h.count == 0:
	case h.dense != nil:
		for _, bar := range h.dense.Distribution() {
			if bar.Count > 0 {
				fn(bar.From, bar.To, uint64(bar.Count))
			}
		}
	default:
		h.packed.ForEachBucket(func(value, count int64) bool {
			from, to := bucketOf(value)
			fn(from, to, uint64(count))
			return true
		})
	}
}

// bucketOf returns the bounds of the bucket of a value.
func bucketOf(v int64) (from, to int64) {
	shift := 0
	for v>>shift >= 256 {
		shift++
	}
	from = v >> shift << shift
	return from, from + 1<<shift - 1
}
