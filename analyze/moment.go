package analyze

// Moment is a bound of a window, as it was written: absolute, a time of day, or counted from the start or the end of the recording. The
// zero value is no bound.
type Moment struct {
	kind momentKind
	ns   int64 // since 1970 UTC, since midnight UTC, since the start, before the end
	text string
}

type momentKind uint8

const (
	momentNone momentKind = iota
	momentAbsolute
	momentOfDay
	momentFromStart
	momentFromEnd
)
