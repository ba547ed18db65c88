// Package catalog is the catalogue of a capture: the file catalog.db, in the format of bbolt.
//
// DB writes it, through bbolt. Everything else reads it, with the package's own bounded page walker (Pages) over an io.ReaderAt: so a
// catalogue is read while it is being written, without a lock, inside an archive, and whatever its bytes say. bbolt reads no file that
// it did not write itself.
//
// docs/format-catalog.md describes buckets, keys and values. It imports schemas; it is the only importer of bbolt.
package catalog
