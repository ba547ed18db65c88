package table

import (
	"bufio"
	"io"

	"probetape/analyze/report"
)

// Events renders a list of events, a line each as it comes: when, whose, which, how it ended, its fields.
func Events(w io.Writer, list report.EventSource) error {
	out := bufio.NewWriterSize(w, 64<<10)
	h := list.Head()
	several := len(h.Captures) > 1
	var b []byte
	for e, err := range list.Rows() {
		if err != nil {
			if flushErr := out.Flush(); flushErr != nil {
				return flushErr
			}
			return err
		}
		b = appendEvent(b[:0], e, several)
		if _, err := out.Write(b); err != nil {
			return err
		}
	}
	tail := list.Tail()
	say(out, "\n%s", plural(tail.Rows, "event"))
	if tail.More {
		say(out, ", and more: --top 0 shows all")
	}
	say(out, "\n")
	head := *h
	head.Completeness = tail.Completeness
	completeness(out, &head.Completeness)
	notes(out, head.Notes)
	return out.Flush()
}

func appendEvent(b []byte, e *report.Event, several bool) []byte {
	b = e.Time.AppendTo(b)
	if !e.Time.Known {
		b = append(b, '?')
	}
	if several {
		b = append(append(b, ' '), plain(e.Host)...)
	}
	b = append(b, "  "...)
	if e.NoTask {
		b = append(b, '?')
	} else {
		b = append(b, cell(e.Comm)...)
		b = append(b, '/')
		b = appendUint(b, uint64(e.TID))
	}
	b = append(b, " cpu "...)
	b = appendUint(b, uint64(e.CPU))
	b = append(b, "  "...)
	if e.Table != e.Site {
		b = append(append(b, plain(e.Table)...), ' ')
	}
	b = append(b, plain(e.Site)...)
	if e.Call {
		b = append(b, ' ')
		if e.Duration != nil {
			b = append(b, span(*e.Duration)...)
		} else {
			b = append(b, plain(e.End)...)
		}
		if e.Errno != "" {
			b = append(append(b, ' '), plain(e.Errno)...)
		}
	}
	for _, f := range e.Fields {
		b = append(append(append(b, "  "...), plain(f.Name)...), '=')
		b = appendValue(b, f.Value)
	}
	return append(b, '\n')
}

// appendValue appends a field's value: texts in quotes, so that a null is none of them.
func appendValue(b []byte, v report.Value) []byte {
	switch v.Kind {
	case report.Null:
		return append(b, "null"...)
	case report.Name:
		return append(b, plain(v.Text)...)
	case report.Text:
		b = append(b, '"')
		b = append(b, plain(v.Text)...)
		b = append(b, '"')
		if v.Cut {
			b = append(b, "..."...)
		}
		return b
	}
	return v.AppendTo(b)
}

func appendUint(b []byte, n uint64) []byte {
	return report.Value{Kind: report.Uint, Int: int64(n)}.AppendTo(b)
}
