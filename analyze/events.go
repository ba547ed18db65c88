package analyze

import (
	"context"
	"iter"
	"slices"

	"probetape/analyze/errno"
	"probetape/analyze/report"
	"probetape/schemas"
)

// EventList is a list of events that is read as it is ranged over.
type EventList struct {
	ctx      context.Context
	captures []*capture
	order    *ordered
	readers  map[*schemas.Table][]*fieldReader
	limit    uint64
	head     report.Events
	tail     report.Tail
}

// Events lists events in the order of time.
func Events(ctx context.Context, sources []Source, opts EventsOptions) (*EventList, error) {
	captures, err := open(sources, &opts.Select)
	if err != nil {
		return nil, err
	}
	l := &EventList{ctx: ctx, captures: captures, limit: opts.Limit, readers: map[*schemas.Table][]*fieldReader{}}
	l.head.Fields = []string{}
	for _, c := range captures {
		for _, t := range c.tableIDs {
			table := &c.tables[t]
			readers, err := fieldReaders(c, table)
			if err != nil {
				return nil, err
			}
			l.readers[table] = readers
			for _, f := range table.Fields {
				if !slices.Contains(l.head.Fields, f.Name) {
					l.head.Fields = append(l.head.Fields, f.Name)
				}
			}
		}
	}
	if l.order, err = newOrdered(captures, schemas.ColBaseAll, l.head.Fields); err != nil {
		return nil, err
	}
	l.head.Head = report.Head{
		Schema: SchemaEvents, Captures: reportCaptures(captures), Window: reportWindow(captures),
		Completeness: newLedger(captures).completeness(nil), Notes: []string{},
	}
	return l, nil
}

// fieldReaders returns a reader for each field of a table.
func fieldReaders(c *capture, t *schemas.Table) ([]*fieldReader, error) {
	readers := make([]*fieldReader, len(t.Fields))
	for i := range t.Fields {
		var err error
		if readers[i], err = newFieldReader(c, &t.Fields[i]); err != nil {
			return nil, err
		}
	}
	return readers, nil
}

// Head is what is known before the first row.
func (l *EventList) Head() *report.Events { return &l.head }

// Rows yields the events in the order of time. An event is valid until the next one.
func (l *EventList) Rows() iter.Seq2[*report.Event, error] {
	return func(yield func(*report.Event, error) bool) {
		l.tail = report.Tail{}
		var e report.Event
		for r, err := range l.order.each(l.ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			if l.limit > 0 && l.tail.Rows == l.limit {
				l.tail.More = true
				return
			}
			l.event(&e, r)
			l.tail.Rows++
			if !yield(&e, nil) {
				return
			}
		}
	}
}

// Tail is what is known after the last row.
func (l *EventList) Tail() *report.Tail {
	l.tail.Completeness = newLedger(l.captures).completeness(nil)
	return &l.tail
}

// event fills in an event from its row.
func (l *EventList) event(e *report.Event, r orderedRow) {
	b, i := r.batch, int(r.row)
	boot := b.Time[i]
	*e = report.Event{
		Time: r.c.utc(boot), Capture: r.c.Name(), Host: r.c.manifest.Host.Name, Table: b.Table.Name, Site: r.c.labels[b.Site[i]],
		CPU: b.CPU[i], Call: b.Table.Call, Fields: e.Fields[:0],
	}
	if t := r.c.taskTable.at(b.Task[i]); t != nil {
		e.Comm, e.PID, e.TID = validUTF8([]byte(commAt(t, boot))), t.PID, t.TID
	} else {
		e.NoTask = true
	}
	if e.Call {
		e.End = b.End[i].String()
		if b.End[i] == schemas.EndReturned {
			duration := b.Duration[i]
			e.Duration = &duration
		}
		if n := b.Errno[i]; n != 0 {
			e.Errno = errno.Name(n)
		}
	}
	e.Fields = appendFields(e.Fields, l.readers[b.Table], b, i, e.PID)
}

// appendFields appends the fields of row i.
func appendFields(fields []report.Key, readers []*fieldReader, b *schemas.Batch, i int, pid uint32) []report.Key {
	for n, reader := range readers {
		col := &b.Columns[n]
		v := report.Value{}
		if present(col) {
			v = reader.value(col, i, pid)
		}
		fields = append(fields, report.Key{Name: reader.field.Name, Value: v})
	}
	return fields
}
