package report

import "time"

// Time is a moment: nanoseconds since 1970 UTC, where the capture ties its clock to UTC. The zero value is no moment.
type Time struct {
	NS    int64
	Known bool
}

// At returns the moment ns nanoseconds after 1970 UTC.
func At(ns int64) Time { return Time{NS: ns, Known: true} }

const layout = "2006-01-02T15:04:05.000000000Z"

// String returns RFC 3339 in UTC with nanoseconds, and "" where the moment is not known.
func (t Time) String() string {
	if !t.Known {
		return ""
	}
	return time.Unix(0, t.NS).UTC().Format(layout)
}

// AppendTo appends String to b without allocating.
func (t Time) AppendTo(b []byte) []byte {
	if !t.Known {
		return b
	}
	return time.Unix(0, t.NS).UTC().AppendFormat(b, layout)
}

// MarshalJSON writes the moment as a string, null where it is not known.
func (t Time) MarshalJSON() ([]byte, error) {
	if !t.Known {
		return []byte("null"), nil
	}
	b := make([]byte, 0, len(layout)+2)
	b = append(b, '"')
	b = t.AppendTo(b)
	return append(b, '"'), nil
}
