package schemas

// Batch is a run of one table's rows, columns as slices of Len elements. A reader's batch is valid until its next one; columns
// that were not asked for are nil.
type Batch struct {
	Table *Table
	Len   int

	Time []int64  // boot clock, ns: of the event, or of the call's start
	CPU  []uint16 // where the event happened, or the call ended
	Task []TaskID
	Site []SiteID

	// Call tables only.
	Duration []int64 // ns; 0 unless End is EndReturned
	End      []End
	Errno    []uint16 // positive errno of a return value in -4095..-1 (system calls, kernel functions); 0: none

	Columns []Column // parallel to Table.Fields
}

// Reset empties the batch, keeps its memory, and makes it one of table t.
func (b *Batch) Reset(t *Table) {
	b.Table, b.Len = t, 0
	b.Time, b.CPU, b.Task, b.Site = b.Time[:0], b.CPU[:0], b.Task[:0], b.Site[:0]
	b.Duration, b.End, b.Errno = b.Duration[:0], b.End[:0], b.Errno[:0]
	if cap(b.Columns) < len(t.Fields) {
		b.Columns = make([]Column, len(t.Fields))
	}
	b.Columns = b.Columns[:len(t.Fields)]
	for i := range b.Columns {
		c := &b.Columns[i]
		c.Ints, c.Offs, c.Data = c.Ints[:0], c.Offs[:0], c.Data[:0]
		c.Null, c.Cut = c.Null[:0], c.Cut[:0]
	}
}

// BaseColumns selects among the columns that every row has.
type BaseColumns uint8

// The base columns.
const (
	ColTime BaseColumns = 1 << iota
	ColCPU
	ColTask
	ColSite
	ColDuration
	ColEnd
	ColErrno
	ColBaseAll = ColTime | ColCPU | ColTask | ColSite | ColDuration | ColEnd | ColErrno
)

// Query selects rows and columns of a capture. A reader may deliver more rows than match (whole batches whose span overlaps):
// whoever needs exact bounds filters again.
type Query struct {
	From, To int64     // boot clock, ns, [From, To); a call matches where its span from start to end overlaps. To 0: no end
	Tables   []TableID // nil: all
	Sites    []SiteID  // nil: all
	Base     BaseColumns
	Fields   []string // fields wanted, by name; a table without one simply lacks it
}
