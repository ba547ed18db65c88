package json

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"probetape/analyze/report"
)

// Events renders a list of events: an object whose rows are written as they come, a line each. What is known only after the last row, how
// complete the list is, follows them.
func Events(w io.Writer, list report.EventSource) error {
	head := list.Head()
	front, err := plain(struct {
		Schema   string           `json:"schema"`
		Captures []report.Capture `json:"captures"`
		Window   report.Window    `json:"window"`
		Notes    []string         `json:"notes"`
		Fields   []string         `json:"fields"`
	}{head.Schema, head.Captures, head.Window, head.Notes, head.Fields})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%s,\n\"rows\":[", bytes.TrimSuffix(front, []byte("}"))); err != nil {
		return err
	}
	var o object
	separator := "\n"
	for e, err := range list.Rows() {
		if err != nil {
			return err
		}
		o.b = append(o.b[:0], separator...)
		o.open()
		eventRow(&o, e)
		o.close()
		if _, err := w.Write(o.b); err != nil {
			return err
		}
		separator = ",\n"
	}
	back, err := plain(list.Tail())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\n],\n%s\n", bytes.TrimPrefix(back, []byte("{")))
	return err
}

// plain encodes without line breaks, and without what HTML would need.
func plain(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("rendering JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func eventRow(o *object, e *report.Event) {
	o.time("time", e.Time)
	o.text("capture", e.Capture)
	o.text("host", e.Host)
	o.text("table", e.Table)
	o.text("site", e.Site)
	task(o, e.NoTask, e.Comm, e.PID, e.TID)
	o.uint("cpu", uint64(e.CPU))
	if e.Call {
		o.maybe("duration_ns", e.Duration)
		o.text("end", e.End)
		o.textOrNull("errno", e.Errno)
	}
	fields(o, e.Fields)
}
