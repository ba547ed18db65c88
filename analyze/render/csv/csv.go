// Package csv renders reports as comma-separated values (RFC 4180) with a header row.
//
// It imports package report and the standard library only.
package csv

import (
	"io"

	"probetape/analyze/report"
)

// Write renders a report: *report.Summary, *report.Counts or *report.Latency.
func Write(w io.Writer, r any) error { return nil }

// Events renders a list of events.
func Events(w io.Writer, list report.EventSource) error { return nil }
