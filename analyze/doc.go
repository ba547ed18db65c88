// Package analyze replays captures: it reads them through Source, and makes reports of them, anywhere, without the kernel, the
// privileges or the programs that they were recorded with.
//
// Each analysis is a function from sources and options to a value of package report, which the packages below render show as a table,
// JSON, CSV or Prometheus text. Parts of a capture are replayed side by side, into aggregates that merge; memory does not grow with the
// capture, and two runs give the same report.
//
// It imports schemas, a histogram library and Prometheus' encoders: never store, record, bpf or cilium/ebpf. It builds for Linux, macOS
// and Windows.
package analyze
