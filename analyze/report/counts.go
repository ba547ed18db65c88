package report

// Counts is how many events there were, by group.
type Counts struct {
	Head
	By    []string   `json:"by"` // what the rows are grouped by
	Count uint64     `json:"count"`
	Rows  []CountRow `json:"rows"` // most events first; never nil
	More  More       `json:"more"`
}

// CountRow is one group's events.
type CountRow struct {
	Table  *string // nil: the group is not of one table
	Site   *string // nil: the group is not of one site
	Keys   []Key   // what --by named besides table and site
	Count  uint64
	Errors uint64  // of them: calls that returned an error
	Rate   float64 // events a second of the window
	Loss
}

// Loss is a row's share of what is missing.
type Loss struct {
	Lost       uint64 // events of the row's sites that are not in the capture; LostExact: all of them belong to this row
	LostExact  bool
	Missed     uint64
	Incomplete bool
}

// Key is a named value of a row.
type Key struct {
	Name  string
	Value Value
}
