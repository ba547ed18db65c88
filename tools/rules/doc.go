// Package rules holds the rules of the source tree that a compiler does not: which package may import which, that every package says what
// it is, and a few habits of writing. They are tests; there is nothing to import here.
//
// The tests read the .go files themselves. `go list` would be answered from a cache that does not know of a new import.
package rules
