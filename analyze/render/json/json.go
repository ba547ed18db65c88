// Package json renders reports as one JSON object each, as the JSON Schemas in schemas/json describe them.
//
// It imports package report and the standard library only.
package json

import (
	"io"

	"probetape/analyze/report"
)

// Write renders a report: *report.Summary, *report.Counts or *report.Latency.
func Write(w io.Writer, r any) error { return nil }

// Events renders a list of events.
func Events(w io.Writer, list report.EventSource) error { return nil }
