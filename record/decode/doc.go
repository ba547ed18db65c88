// Package decode turns perf samples into batches. Samples are not trusted: whatever their bytes, decoding ends, stays within them and
// counts what it could not make sense of.
//
// It is pure and imports schemas only.
package decode
