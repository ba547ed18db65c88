package pair

import (
	"math/rand/v2"
	"testing"
)

func key(n uint64) Key { return Key{n} }

func TestReasons(t *testing.T) {
	p := New([]Interval{{100, 110}, {105, 120}, {300, 310}}, 4)
	type step struct {
		start bool
		key   uint64
		at    int64
	}
	for _, s := range []step{
		{false, 9, 5},                 // end_before
		{true, 1, 10}, {false, 1, 20}, // a pair of 10
		{false, 1, 30},               // end_unmatched
		{true, 1, 40}, {true, 1, 50}, // superseded
		{false, 1, 115},                 // both lost: the interval ends after it
		{false, 1, 119},                 // lost: no start since 115, and events were lost until 120
		{true, 1, 120}, {false, 1, 130}, // a pair: the interval ended
		{true, 2, 140}, // open, and the interval at 300 comes
		{true, 3, 320}, // open
		{true, 5, 330}, // open
		{true, 6, 340}, // no room: 1 and 9 are closed and forgotten, 2, 3, 5, 6 are open
		{true, 7, 350}, // no room
		{false, 7, 360},
	} {
		if s.start {
			p.Start(key(s.key), s.at, 0)
		} else if d, _, paired, _ := p.End(key(s.key), s.at); paired && d != 10 {
			t.Errorf("a pair of %d at %d", d, s.at)
		}
	}
	open := 0
	got := p.Close(400, func(uint32) { open++ })
	want := Counts{Starts: 9, Ends: 7, Matched: 2}
	want.Unmatched[EndBefore] = 1
	want.Unmatched[EndUnmatched] = 1
	want.Unmatched[StartSuperseded] = 1
	want.Unmatched[StartLost] = 2
	want.Unmatched[EndLost] = 3
	want.Unmatched[StartOpen] = 3
	want.Unmatched[StartNoRoom] = 1
	if got != want || open != 4 {
		t.Errorf("counts, and %d open:\n%+v, want\n%+v", open, got, want)
	}
}

// FuzzPairer holds any sequence of events against what must hold of it whatever it is.
func FuzzPairer(f *testing.F) {
	f.Add([]byte{1, 2, 3, 129, 130, 131}, uint8(3), int64(5), int64(9))
	f.Add([]byte{1, 1, 129, 129, 130, 2}, uint8(1), int64(0), int64(0))
	f.Fuzz(func(t *testing.T, ops []byte, room uint8, lossFrom, lossLen int64) {
		loss := Interval{From: lossFrom % 1000, To: lossFrom%1000 + max(lossLen%100, 0)}
		p := New([]Interval{loss}, int(room))
		type started struct{ at int64 }
		open := map[uint64]started{}
		var dropped, groups uint64
		for i, op := range ops {
			at, k := int64(i), uint64(op&127)
			if op < 128 {
				if _, ok := p.Start(key(k), at, uint32(i)); ok {
					dropped++
				}
				open[k] = started{at}
				continue
			}
			distance, group, paired, closes := p.End(key(k), at)
			if !paired {
				if closes {
					dropped++
				}
				continue
			}
			from := at - distance
			if s, ok := open[k]; !ok || s.at != from || int64(group) != from {
				t.Fatalf("the end at %d is paired with %d of group %d, and the last start is %v", at, from, group, s)
			}
			if loss.From < at && loss.To > from && loss.From != loss.To {
				t.Fatalf("the pair from %d to %d spans the loss %v", from, at, loss)
			}
			delete(open, k)
		}
		c := p.Close(int64(len(ops)), func(uint32) { groups++ })
		starts, ends := c.Matched, c.Matched
		for r := StartOpen; r <= StartNoRoom; r++ {
			starts += c.Unmatched[r]
		}
		for r := EndBefore; r <= EndNoRoom; r++ {
			ends += c.Unmatched[r]
		}
		if starts != c.Starts || ends != c.Ends || c.Starts+c.Ends != uint64(len(ops)) {
			t.Fatalf("%d events: %+v does not add up", len(ops), c)
		}
		if c.Matched+dropped+groups != c.Starts {
			t.Fatalf("%d starts, and their groups were told %d matched, %d dropped, %d open", c.Starts, c.Matched, dropped, groups)
		}
	})
}

func BenchmarkPairs(b *testing.B) {
	p := New([]Interval{{-100, -50}}, 0)
	r := rand.New(rand.NewPCG(1, 2))
	keys := make([]Key, 1<<12)
	for i := range keys {
		keys[i] = Key{r.Uint64(), r.Uint64()}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k := keys[i>>1&(len(keys)-1)]
		if i&1 == 0 {
			p.Start(k, int64(i), 0)
		} else {
			p.End(k, int64(i))
		}
	}
}
