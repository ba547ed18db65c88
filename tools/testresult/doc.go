// Package testresult reads what `go test` reports and decides whether it is good enough: besides failures it refuses
// tests that were skipped without a reason that the kernel itself confirms. The runners testreport (this machine) and
// vmtest (virtual machines) share it. It imports the standard library only.
package testresult
