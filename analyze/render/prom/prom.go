// Package prom renders metrics in Prometheus' text format.
//
// It imports package report and Prometheus' encoders.
package prom

import (
	"io"

	"probetape/analyze/report"
)

// Write renders metrics.
func Write(w io.Writer, m *report.Metrics) error { return nil }
