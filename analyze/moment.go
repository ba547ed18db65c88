package analyze

import (
	"strconv"
	"strings"
	"time"
)

// Moment is a bound of a window, as it was written: absolute, a time of day, or counted from the start or the end of the recording. The
// zero value is no bound.
type Moment struct {
	kind momentKind
	ns   int64 // since 1970 UTC, since midnight UTC, since the start, before the end
	text string
}

type momentKind uint8

const (
	momentNone momentKind = iota
	momentAbsolute
	momentOfDay
	momentFromStart
	momentFromEnd
)

const nsPerDay = int64(24 * time.Hour)

// String returns the moment as it was written.
func (m Moment) String() string { return m.text }

// IsZero reports whether the moment is no bound.
func (m Moment) IsZero() bool { return m.kind == momentNone }

// FromStart is the moment a span after the recording's start.
func FromStart(d time.Duration) Moment {
	return Moment{kind: momentFromStart, ns: int64(d), text: "+" + d.String()}
}

const momentHint = "times are written 2006-01-02T15:04:05Z, 15:04:05 (UTC), +30s from the start, -30s from the end"

// The forms of absolute times and times of day; a fraction of the second may follow each that has seconds. Without a zone they are UTC.
var (
	absoluteLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"}
	dayLayouts      = []string{"15:04:05", "15:04"}
)

// ParseMoment reads a bound of a window: RFC 3339 or the same without its zone (UTC), HH:MM:SS or HH:MM of the day of the recording (UTC),
// +30s from the recording's start, -30s from its end.
func ParseMoment(text string) (Moment, error) {
	word := strings.TrimSpace(text)
	if word == "" {
		return Moment{}, wrongUse(momentHint, "an empty time")
	}
	if word[0] == '+' || word[0] == '-' {
		return parseOffset(text, word)
	}
	for _, layout := range absoluteLayouts {
		// time.Parse takes any zone offset below 24 hours, and years that nanoseconds since 1970 do not reach.
		if t, err := time.ParseInLocation(layout, word, time.UTC); err == nil {
			if t.Year() < 1970 || t.Year() > 2261 {
				return Moment{}, wrongUse("years from 1970 to 2261 can be told", "time %q is out of range", text)
			}
			return Moment{kind: momentAbsolute, ns: t.UnixNano(), text: word}, nil
		}
	}
	for _, layout := range dayLayouts {
		if t, err := time.ParseInLocation(layout, word, time.UTC); err == nil {
			midnight := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
			return Moment{kind: momentOfDay, ns: int64(t.Sub(midnight)), text: word}, nil
		}
	}
	return Moment{}, wrongUse(momentHint, "%q is not a time", text)
}

// parseOffset reads +30s and -30s.
func parseOffset(text, word string) (Moment, error) {
	kind := momentFromStart
	if word[0] == '-' {
		kind = momentFromEnd
	}
	if _, err := strconv.ParseFloat(word[1:], 64); err == nil {
		return Moment{}, wrongUse("with a unit: "+word+"s for seconds", "time %q has no unit", text)
	}
	d, err := time.ParseDuration(word[1:])
	if err != nil || word[1] == '+' || word[1] == '-' {
		return Moment{}, wrongUse(momentHint, "%q is not a time", text)
	}
	return Moment{kind: kind, ns: int64(d), text: word}, nil
}

// span is when a recording was, in ns since 1970 UTC; utc false: of another clock, since the host's clock was not recorded.
type span struct {
	start, end int64
	utc        bool
}

// resolve returns the moment on the span's clock.
func (m Moment) resolve(s span) (int64, error) {
	switch m.kind {
	case momentFromStart:
		return addTime(s.start, m.ns), nil
	case momentFromEnd:
		return s.end - m.ns, nil
	}
	if !s.utc {
		return 0, wrongUse("count from the start (+30s) or the end (-30s) instead", "time %q cannot be found: the capture holds no readings of its host's clock", m.text)
	}
	if m.kind == momentAbsolute {
		return m.ns, nil
	}
	// A time of day is the first one within the recording; outside of it, that of the day on which the recording began.
	first := s.start - floorMod(s.start, nsPerDay) + m.ns
	if first < s.start && first+nsPerDay <= s.end {
		return first + nsPerDay, nil
	}
	return first, nil
}

func floorMod(a, b int64) int64 {
	if r := a % b; r < 0 {
		return r + b
	} else {
		return r
	}
}
