package agg

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// durations draws values as systems have them: most are short, and a few are a million times longer.
func durations(r *rand.Rand, n int) []int64 {
	v := make([]int64, n)
	for i := range v {
		switch r.IntN(20) {
		case 0:
			v[i] = r.Int64N(300)
		case 1:
			v[i] = r.Int64()
		default:
			v[i] = int64(math.Exp(r.NormFloat64()*3 + 9))
		}
	}
	return v
}

func rank(sorted []int64, perMille int) int64 {
	for i, v := range sorted {
		if (i+1)*1000 >= perMille*len(sorted) {
			return v
		}
	}
	panic("no rank")
}

func TestHistogramAgainstSorting(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 10, 99, 100, 101, 999, 1000, 2047, 2048, 2049, 30000} {
		for _, room := range []int{0, 1} {
			values := durations(r, n)
			var h Histogram
			left := Room{Dense: room}
			var sum int64
			for _, v := range values {
				h.Record(v, &left)
				sum = AddSaturated(sum, v)
			}
			slices.Sort(values)
			if h.Count() != uint64(n) || h.Min() != values[0] || h.Max() != values[n-1] || h.Sum() != sum {
				t.Fatalf("%d values: count %d min %d max %d sum %d; want min %d max %d sum %d", n, h.Count(), h.Min(), h.Max(), h.Sum(), values[0], values[n-1], sum)
			}
			for _, p := range []int{1, 10, 500, 900, 990, 999, 1000} {
				want, got := rank(values, p), h.Percentile(uint64(p))
				if got < want || float64(got-want) > RelativeError*float64(want) {
					t.Errorf("%d values, %d dense: percentile %d/1000 is %d, want %d to 1/128 more", n, room, p, got, want)
				}
			}
			var in uint64
			last := int64(-1)
			h.Buckets(func(from, to int64, count uint64) {
				if from <= last || to < from {
					t.Fatalf("bucket [%d, %d] after %d", from, to, last)
				}
				last = to
				var want uint64
				for _, v := range values {
					if v >= from && v <= to {
						want++
					}
				}
				if n <= 3000 && count != want {
					t.Errorf("%d values, %d dense: bucket [%d, %d] holds %d, want %d", n, room, from, to, count, want)
				}
				in += count
			})
			if in != uint64(n) {
				t.Errorf("buckets hold %d of %d values", in, n)
			}
		}
	}
}

func TestHistogramMergeEqualsOnePass(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		values := durations(r, 1+r.IntN(9000))
		values[r.IntN(len(values))] = -5
		var one Histogram
		parts := make([]Histogram, 1+r.IntN(5))
		oneRoom, room := Room{Dense: r.IntN(2)}, Room{Dense: r.IntN(3)}
		for _, v := range values {
			one.Record(v, &oneRoom)
			parts[r.IntN(len(parts))].Record(v, &room)
		}
		var merged Histogram
		for i := range parts {
			merged.Merge(&parts[i])
		}
		if merged.Count() != one.Count() || merged.Sum() != one.Sum() || merged.Min() != one.Min() || merged.Max() != one.Max() || merged.OutOfRange() != 1 {
			t.Fatalf("merged %+v, one pass %+v", merged, one)
		}
		type bucket struct {
			from, to int64
			n        uint64
		}
		var a, b []bucket
		one.Buckets(func(from, to int64, n uint64) { a = append(a, bucket{from, to, n}) })
		merged.Buckets(func(from, to int64, n uint64) { b = append(b, bucket{from, to, n}) })
		if !slices.Equal(a, b) {
			t.Fatalf("merged buckets %v, one pass %v", b, a)
		}
	}
}

func TestHistogramOfNothing(t *testing.T) {
	var h, o Histogram
	room := Room{}
	o.Record(-1, &room)
	h.Merge(&o)
	if h.Count() != 0 || h.Percentile(500) != 0 || h.OutOfRange() != 1 {
		t.Errorf("count %d, median %d, out of range %d; want 0, 0, 1", h.Count(), h.Percentile(500), h.OutOfRange())
	}
	h.Buckets(func(from, to int64, n uint64) { t.Errorf("bucket [%d, %d] of nothing", from, to) })
}

func TestBounds(t *testing.T) {
	upper := []int64{1000, 5000, 25000, 1 << 40}
	b, err := NewBounds(upper)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	values := []int64{-1, 0, 1, 999, 1000, 1001, 4999, 5000, 5001, 25000, 25001, 1 << 40, 1<<40 + 1, math.MaxInt64}
	for range 1000 {
		values = append(values, r.Int64()>>r.IntN(63))
	}
	for _, v := range values {
		want := 0
		for want < len(upper) && v > upper[want] {
			want++
		}
		if got := b.Index(v); got != want {
			t.Errorf("bucket of %d is %d, want %d", v, got, want)
		}
	}
	for _, wrong := range [][]int64{nil, {0}, {-1, 1}, {1, 1}, {2, 1}, make([]int64, 300)} {
		if _, err := NewBounds(wrong); err == nil {
			t.Errorf("bounds %v were taken", wrong)
		}
	}
}

func BenchmarkHistogramRecord(b *testing.B) {
	values := durations(rand.New(rand.NewPCG(1, 1)), 1<<14)
	for name, dense := range map[string]int{"dense": 1, "packed": 0} {
		b.Run(name, func(b *testing.B) {
			var h Histogram
			room := Room{Dense: dense}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				h.Record(values[i&(len(values)-1)], &room)
			}
		})
	}
}

func BenchmarkBoundsIndex(b *testing.B) {
	values := durations(rand.New(rand.NewPCG(1, 1)), 1<<14)
	bounds, err := NewBounds([]int64{1e3, 5e3, 25e3, 1e5, 5e5, 25e5, 1e7, 5e7, 25e7, 1e9, 5e9})
	if err != nil {
		b.Fatal(err)
	}
	sum := 0
	for i := 0; b.Loop(); i++ {
		sum += bounds.Index(values[i&(len(values)-1)])
	}
	if sum < 0 {
		b.Fatal("a negative bucket")
	}
}
