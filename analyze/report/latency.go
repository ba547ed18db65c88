package report

// Latency is how long calls took, or how long it was from one event to another, by group.
type Latency struct {
	Head
	By    []string     `json:"by"`
	Pairs *Pairing     `json:"pairs"` // nil: durations of calls
	Error float64      `json:"relative_error"`
	Rows  []LatencyRow `json:"rows"` // the largest sum first; never nil
	More  More         `json:"more"`
}

// LatencyRow is one group's durations. Minimum, maximum and sum are exact; a percentile is the smallest duration that so many percent of
// the durations do not exceed, given too high by at most Latency.Error of itself. All are of the durations that were seen.
type LatencyRow struct {
	Table      *string
	Site       *string
	Keys       []Key
	Count      uint64 // durations: calls that returned, pairs that matched
	Min        *int64 // ns, nil without durations; so are the following
	P50        *int64
	P90        *int64
	P99        *int64
	P999       *int64
	Max        *int64
	Mean       *int64
	Sum        int64    // ns; at most math.MaxInt64
	Unfinished uint64   // calls that did not return: running at the end, their thread exited, unwound, return missed; starts without an end
	Denied     uint64   // calls refused before they began
	OutOfRange uint64   // durations below zero, which only a damaged capture has
	Buckets    []Bucket // the distribution, where asked for
	Loss
}

// Bucket counts the durations in [From, To], ns.
type Bucket struct {
	From  int64  `json:"from_ns"`
	To    int64  `json:"to_ns"`
	Count uint64 `json:"count"`
}

// Pairing says how the events of two tables were paired.
type Pairing struct {
	Start   string   `json:"start"`
	End     string   `json:"end"`
	Key     []string `json:"key"`
	Starts  uint64   `json:"starts"`
	Ends    uint64   `json:"ends"`
	Matched uint64   `json:"matched"`
	// Starts without an end: starts = matched + start_*.
	StartOpen       uint64 `json:"start_open"`       // no end until the window closed
	StartSuperseded uint64 `json:"start_superseded"` // the same key started again
	StartLost       uint64 `json:"start_lost"`       // events were lost between it and what came next: its end may be among them
	StartNull       uint64 `json:"start_null"`       // its key could not be read
	StartNoRoom     uint64 `json:"start_no_room"`    // too many were open at once
	// Ends without a start: ends = matched + end_*.
	EndBefore    uint64 `json:"end_before"`    // nothing with its key had started: it began before the window
	EndLost      uint64 `json:"end_lost"`      // nothing with its key is known to have started, and events were lost: its start may be among them
	EndUnmatched uint64 `json:"end_unmatched"` // the key's start already had its end
	EndNull      uint64 `json:"end_null"`
	EndNoRoom    uint64 `json:"end_no_room"` // its start was left out for want of room
}
