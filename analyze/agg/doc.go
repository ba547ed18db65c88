// Package agg holds the aggregates that an analysis is made of. Each takes values one by one without allocating, and merges with others
// of its kind: merging parts gives what one pass over everything gives, in any order.
//
// It imports the standard library and the histogram library only.
package agg
