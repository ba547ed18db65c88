package analyze

import (
	"context"
	"iter"

	"probetape/schemas"
)

// Source is a capture to replay. The store's reader satisfies it; tests make their own.
//
// Slices that it returns belong to the source and are not changed.
type Source interface {
	Name() string // as the user named it
	Manifest() *schemas.Manifest
	Tables() []schemas.Table // Tables()[i].ID == i
	Sites() []schemas.Site   // Sites()[i].ID == i
	Tasks() ([]schemas.Task, error)
	Stacks() ([]schemas.Stack, error)
	Symbols() ([]schemas.Symbol, error)
	Segments() []schemas.Segment
	Losses() []schemas.Loss
	Totals() []schemas.SiteTotals
	Clock() []schemas.ClockSample
	Blocked() []schemas.Blocked
	Log() []schemas.LogEntry

	// Damage is what cannot be read: found at opening, and by the reading since.
	Damage() []schemas.Damage

	// Parts splits what a query selects into parts (usually a segment each) that may be read side by side. Within a part, batches
	// come in the order they were written; rows within a batch are not sorted by time. A damaged batch is left out and listed by
	// Damage; an error ends the part.
	Parts(ctx context.Context, q schemas.Query) []iter.Seq2[*schemas.Batch, error]
}
