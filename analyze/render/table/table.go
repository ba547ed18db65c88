// Package table renders reports for a terminal. Texts of captures are foreign: control characters never reach the terminal.
//
// It imports package report and the standard library only.
package table

import (
	"io"

	"probetape/analyze/report"
)

// Write renders a report: *report.Summary, *report.Counts or *report.Latency.
func Write(w io.Writer, r any) error { return nil }

// Events renders a list of events.
func Events(w io.Writer, list report.EventSource) error { return nil }
