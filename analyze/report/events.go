package report

import "iter"

// Events opens a list of events, which follow one by one; Tail closes it.
type Events struct {
	Head
	Fields []string `json:"fields"` // the fields that the tables of the rows have, in order; never nil
}

// Event is one row. It is valid until the next one.
type Event struct {
	Time     Time
	Capture  string
	Host     string
	Table    string
	Site     string
	Comm     string
	PID, TID uint32
	NoTask   bool // whose event it is is not known
	CPU      uint16
	Call     bool // what follows is of calls only
	Duration *int64
	End      string
	Errno    string // the error's name, "" for none
	Fields   []Key
}

// Tail closes a list of events.
type Tail struct {
	Completeness        // with what was found damaged while reading
	Rows         uint64 `json:"count"`
	More         bool   `json:"more"` // a limit cut the list
}

// EventSource is a list of events that is read as it is ranged over. Tail is complete after the last row.
type EventSource interface {
	Head() *Events
	Rows() iter.Seq2[*Event, error]
	Tail() *Tail
}
