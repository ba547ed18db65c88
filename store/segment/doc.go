// Package segment writes and reads the segments of a capture: files of one table's rows, in Arrow's IPC stream format and nothing else,
// so that every Arrow reader opens them as they are, while they grow, after a crash and when sealed.
//
// A Writer turns batches into record batches, compressed with LZ4. A Sealer merges them into larger ones, sorted by time and compressed
// with zstd. A Reader and its Scanner read both, only the batches and columns that a query wants. Each message carries in its metadata what
// a reader must know before it touches the columns (place, lengths and checksum of every buffer, spans of time, rows by site) and ends
// with a checksum of itself, so that no index beside the file can be lost, torn or disagree with it.
//
// What is read is hostile: no byte goes to another Arrow reader, every length is checked against the file and against fixed limits, and
// every buffer against its checksum, before it is used. docs/format-segment.md has the format.
//
// It imports schemas, the compressors, the flatbuffers builder and x/sys; Arrow itself only in tests, as the witness.
package segment
