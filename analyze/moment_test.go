package analyze

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"probetape/schemas"
)

func utc(t *testing.T, text string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixNano()
}

func TestMoments(t *testing.T) {
	s := span{start: utc(t, "2026-03-01T22:59:50Z"), end: utc(t, "2026-03-02T01:10:00Z"), utc: true}
	for text, want := range map[string]string{
		"2026-03-01T23:00:00Z":           "2026-03-01T23:00:00Z",
		"2026-03-01T23:00:00.123456789Z": "2026-03-01T23:00:00.123456789Z",
		"2026-03-02T00:00:00+01:00":      "2026-03-01T23:00:00Z",
		"2026-03-01T23:00:00":            "2026-03-01T23:00:00Z",
		"2026-03-01 23:00:00.5":          "2026-03-01T23:00:00.5Z",
		"2026-03-01 23:00":               "2026-03-01T23:00:00Z",
		"23:00:00":                       "2026-03-01T23:00:00Z",
		"23:00":                          "2026-03-01T23:00:00Z",
		"00:30:00.25":                    "2026-03-02T00:30:00.25Z", // after midnight: the only one within the recording
		"01:10":                          "2026-03-02T01:10:00Z",
		"12:00:00":                       "2026-03-01T12:00:00Z", // not within it at all: of the day it began
		"+30s":                           "2026-03-01T23:00:20Z",
		"+1h0m0.5s":                      "2026-03-01T23:59:50.5Z",
		"-30s":                           "2026-03-02T01:09:30Z",
		" -1m ":                          "2026-03-02T01:09:00Z",
		"+0s":                            "2026-03-01T22:59:50Z",
	} {
		m, err := ParseMoment(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got, err := m.resolve(s)
		if err != nil || got != utc(t, want) {
			t.Errorf("%q is %s, %v; want %s", text, time.Unix(0, got).UTC().Format(time.RFC3339Nano), err, want)
		}
	}
	for _, text := range []string{"", " ", "+", "-", "+30", "-5", "+-5s", "--5s", "+1d", "yesterday", "25:00:00", "12:60", "2026-13-01T00:00:00Z",
		"2026-02-30T00:00:00Z", "1969-12-31T23:59:59Z", "2262-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "30s", "1700000000", "+1e300h", "+30s\x00"} {
		_, err := ParseMoment(text)
		var wrong *WrongUseError
		if !errors.As(err, &wrong) || len(wrong.Hints()) == 0 {
			t.Errorf("%q: error %v, want a wrong use with a hint", text, err)
		}
	}
}

func TestMomentsWithoutUTC(t *testing.T) {
	s := span{start: 1000, end: 5e9}
	for text, ok := range map[string]bool{"+1s": true, "-1s": true, "12:00:00": false, "2026-01-01T00:00:00Z": false} {
		m, err := ParseMoment(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.resolve(s); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParseMoment(f *testing.F) {
	for _, text := range []string{"+30s", "-1m", "12:00:00", "2026-03-01T23:00:00.5+05:30", "2026-03-01 23:00", "+9223372036854775807ns"} {
		f.Add(text, int64(1700000000e9), int64(60e9))
	}
	f.Fuzz(func(t *testing.T, text string, start, length int64) {
		m, err := ParseMoment(text)
		if err != nil {
			return
		}
		if m.IsZero() || m.String() != strings.TrimSpace(text) {
			t.Fatalf("%q became %q", text, m)
		}
		start = floorMod(start, 1<<61)
		s := span{start: start, end: start + floorMod(length, 1<<61), utc: true}
		at, err := m.resolve(s)
		if err != nil {
			t.Fatalf("resolving %q: %v", text, err)
		}
		switch m.kind {
		case momentOfDay:
			if floorMod(at, nsPerDay) != m.ns {
				t.Fatalf("%q became %d, of another time of day", text, at)
			}
			if first := s.start - floorMod(s.start, nsPerDay); at < first || at >= first+2*nsPerDay {
				t.Fatalf("%q became %d, not of the first two days of the recording", text, at)
			}
		case momentAbsolute:
			again, err := ParseMoment(time.Unix(0, at).UTC().Format(time.RFC3339Nano))
			if err != nil || again.ns != at {
				t.Fatalf("%q became %d, which reads back as %d, %v", text, at, again.ns, err)
			}
		}
	})
}

func sample(boot, real int64) schemas.ClockSample {
	return schemas.ClockSample{Boot: boot, Mono: boot, Real: real, Uncertainty: 100}
}

func TestTimeline(t *testing.T) {
	const epoch = int64(1700000000e9)
	tl := newTimeline([]schemas.ClockSample{
		sample(30e9, epoch+30e9+6e6), // slewed by 6 ms in 10 s
		sample(10e9, epoch+10e9),     // out of order
		sample(20e9, epoch+20e9),
		sample(40e9, epoch+40e9+6e6-3e9), // set back by 3 s
		sample(50e9, epoch+50e9+6e6+9e9), // set forward by 12 s
	})
	for boot, want := range map[int64]int64{
		1e9:  epoch + 1e9,
		10e9: epoch + 10e9,
		15e9: epoch + 15e9,
		25e9: epoch + 25e9 + 3e6,
		30e9: epoch + 30e9 + 6e6,
		39e9: epoch + 39e9 + 6e6, // the step has not been seen
		40e9: epoch + 40e9 + 6e6 - 3e9,
		60e9: epoch + 60e9 + 6e6 + 9e9,
	} {
		if got := tl.utc(boot); got != want {
			t.Errorf("utc(%d) = epoch+%d, want epoch+%d", boot, got-epoch, want-epoch)
		}
	}
	// boot is the first moment at which UTC was there.
	for boot := int64(0); boot < 70e9; boot += 123456789 {
		at := tl.utc(boot)
		back := tl.boot(at)
		if tl.utc(back) < at || back > boot {
			t.Fatalf("boot(utc(%d)) = %d, whose utc is %d, want at least %d", boot, back, tl.utc(back), at)
		}
	}
	if got := tl.boot(epoch + 52e9); got != 50e9 {
		t.Errorf("a moment that the clock jumped over is at %d, want the reading after it", got)
	}
}

func FuzzTimeline(f *testing.F) {
	f.Add(int64(1), int64(2), int64(3), int64(4), int64(5), int64(6), int64(7), int64(2))
	f.Add(int64(0), int64(math.MaxInt64), int64(1), int64(math.MinInt64), int64(1), int64(0), int64(math.MaxInt64), int64(-1))
	f.Fuzz(func(t *testing.T, b0, r0, b1, r1, b2, r2, uncertainty, at int64) {
		tl := newTimeline([]schemas.ClockSample{{Boot: b0, Real: r0, Uncertainty: uncertainty}, {Boot: b1, Real: r1}, {Boot: b2, Real: r2}})
		tl.utc(at)
		tl.boot(at)
	})
}
