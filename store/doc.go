// Package store is the capture on disk: a directory with a catalogue (catalog.db) and segments of events (events/).
//
// Create makes one and returns its Writer, which takes what a recording sees. Open reads one, while it is being recorded or at any
// time after, on any machine. docs/format-capture.md describes the files, docs/format-catalog.md the catalogue in every byte.
//
// A capture is foreign input: whatever is read passes the bounds of package schemas first, and damage is told, never skipped in
// silence.
//
// It imports schemas and its own subpackages, never the recording or the analysing half. store/catalog is the only importer of bbolt,
// store/segment the only one of Arrow.
package store
