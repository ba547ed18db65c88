package report

// Head opens every report: which captures, which part of them, and how far the numbers can be trusted.
type Head struct {
	Schema   string    `json:"schema"` // the $id of the JSON Schema that describes the report
	Captures []Capture `json:"captures"`
	Window   Window    `json:"window"`
	Completeness
	Notes []string `json:"notes"` // what a reader of the rows must know; never nil
}

// Capture names one of the captures that a report is about.
type Capture struct {
	Name      string `json:"name"` // as the user named it
	ID        string `json:"id"`
	Host      string `json:"host"`
	Kernel    string `json:"kernel"`
	Start     Time   `json:"start"`
	End       Time   `json:"end"` // of what is known: the last flush of a recording that has not ended
	Ended     bool   `json:"ended"`
	EndReason string `json:"end_reason"`
}

// Window is the span that the rows are from: points within [From, To), calls whose span overlaps it.
type Window struct {
	From       Time  `json:"from"`
	To         Time  `json:"to"`
	DurationNS int64 `json:"duration_ns"`
	Whole      bool  `json:"whole"` // everything that was recorded
}

// Completeness says what the numbers of a report lack. For every site, seen + lost = attempted.
type Completeness struct {
	Lost       uint64 `json:"lost"`       // events attempted in the window that the capture does not hold
	LostExact  bool   `json:"lost_exact"` // false: up to so many, since a flush interval with losses reaches beyond the window
	Missed     uint64 `json:"missed"`     // runs that the kernel skipped, and that the probe could not attempt
	Incomplete bool   `json:"incomplete"`
	// LostFrom and LostTo span the intervals in which events were lost.
	LostFrom Time    `json:"lost_from"`
	LostTo   Time    `json:"lost_to"`
	Worst    *Worst  `json:"worst"`   // the site that lost most; nil: none did
	Reasons  []Cause `json:"reasons"` // why it is incomplete; never nil
}

// Worst is the site that lost most. The true count is in [Seen, Seen+Lost].
type Worst struct {
	Table     string  `json:"table"`
	Site      string  `json:"site"`
	Lost      uint64  `json:"lost"`
	Seen      *uint64 `json:"seen"`      // nil: the analysis does not count events by site
	Attempted *uint64 `json:"attempted"` // Seen + Lost
}

// Cause is one reason why a report is incomplete.
type Cause struct {
	Kind    string `json:"kind"` // buffer, kernel_missed, decode, store, lost, tail, not_ended, damage
	Capture string `json:"capture"`
	Count   uint64 `json:"count"` // events; 0 where Known is false
	Known   bool   `json:"known"` // whether Count is known
	From    Time   `json:"from"`
	To      Time   `json:"to"`
	Text    string `json:"text"`
}

// More stands for the rows that a limit left out.
type More struct {
	Rows  int    `json:"rows"`
	Count uint64 `json:"count"` // the events of those rows
}
