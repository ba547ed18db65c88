// Package schemas is the contract that the recording half and the analysing half of probetape share: probe kinds, column
// types, tables, sites, tasks, batches, losses, clock samples, the manifest, queries, the wire between BPF and Go, and the
// versions of the capture's format.
//
// It imports the standard library only, so that each half can be built, read and tested without the other.
package schemas
