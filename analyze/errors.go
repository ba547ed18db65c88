package analyze

import (
	"fmt"
	"slices"
	"strings"
)

// UnknownNameError is a name that no capture has.
type UnknownNameError struct {
	What  string // key, table, site, field
	Name  string
	Known []string // the names there are, sorted
}

func (e *UnknownNameError) Error() string {
	return fmt.Sprintf("finding %s %q: no capture has it", e.What, e.Name)
}

// maxListed is how many names a hint lists.
const maxListed = 40

// Hints names the nearest ones, or all of them.
func (e *UnknownNameError) Hints() []string {
	if near := nearest(e.Name, e.Known); near != "" {
		return []string{fmt.Sprintf("did you mean %s?", near)}
	}
	if len(e.Known) == 0 {
		return nil
	}
	list := e.Known
	more := ""
	if len(list) > maxListed {
		list, more = list[:maxListed], ", ..."
	}
	return []string{fmt.Sprintf("there are: %s%s", strings.Join(list, ", "), more)}
}

// TooManyGroupsError is returned where --by makes more groups than memory is given for.
type TooManyGroupsError struct {
	By    []string
	Limit int
}

func (e *TooManyGroupsError) Error() string {
	return fmt.Sprintf("grouping by %s: more than %d groups", strings.Join(e.By, ","), e.Limit)
}

// Hints says how to have fewer.
func (e *TooManyGroupsError) Hints() []string {
	return []string{"group by fewer keys, or choose a shorter span with --from and --to"}
}

// WrongUseError is a request that makes no sense, with what to ask instead.
type WrongUseError struct {
	Msg   string
	hints []string
}

func (e *WrongUseError) Error() string { return e.Msg }

// Hints says what to ask instead.
func (e *WrongUseError) Hints() []string { return e.hints }

func wrongUse(hint, format string, args ...any) error {
	return &WrongUseError{Msg: fmt.Sprintf(format, args...), hints: []string{hint}}
}

// InvalidError is a capture whose parts contradict each other.
type InvalidError struct {
	Capture string
	Msg     string
}

func (e *InvalidError) Error() string { return fmt.Sprintf("reading %s: %s", e.Capture, e.Msg) }

// nearest returns the name that is fewest edits away from a misspelled one, "" where none is near.
func nearest(name string, names []string) string {
	best, at := len(name)/2+1, ""
	for _, n := range names {
		if d := edits(name, n); d < best {
			best, at = d, n
		}
	}
	return at
}

// edits counts the insertions, deletions and replacements that turn a into b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// sortedNames returns the names of a set in order.
func sortedNames(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for n := range set {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
