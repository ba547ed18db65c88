package expr

import (
	"slices"
	"strings"
)

// maxMeant is how many names are proposed for one that is not there.
const maxMeant = 3

// Meant returns a hint with the names that could have been meant by one that is not among them; nil where none is near.
func Meant(name string, names []string) []string { return DidYouMean(Nearest(name, names)) }

// DidYouMean returns a hint that proposes names; nil for none.
func DidYouMean(names []string) []string {
	switch n := len(names); n {
	case 0:
		return nil
	case 1:
		return []string{"did you mean " + names[0] + "?"}
	default:
		return []string{"did you mean " + strings.Join(names[:n-1], ", ") + " or " + names[n-1] + "?"}
	}
}

// Nearest returns the names that are most like one, the most likely first, at most maxMeant.
//
// Likeness is the number of letters to insert, remove, replace or swap, where a different case, or an underscore more or less, counts half. A
// name that holds the wanted one as a whole, or the same words in another order, is near too. What would need more than a third of its
// letters changed is no name that was meant.
func Nearest(name string, names []string) []string {
	type candidate struct {
		name string
		cost int
	}
	var best []candidate
	limit := 2 * max(1, (len(name)+1)/3) // in halves
	if len(name) <= 2 {
		limit = 2
	}
	words := sortedWords(name)
	for _, n := range names {
		if n == name || n == "" {
			continue
		}
		cost := editCost(name, n, limit)
		if cost > limit {
			switch {
			case len(words) > 1 && sortedWordsEqual(words, n):
				cost = limit
			case len(name) >= 4 && strings.Contains(strings.ToLower(n), strings.ToLower(name)):
				cost = limit + 1
			case len(n) >= 4 && len(n)*2 > len(name) && strings.Contains(strings.ToLower(name), strings.ToLower(n)):
				cost = limit + 1
			default:
				continue
			}
		}
		best = append(best, candidate{n, cost})
	}
	slices.SortStableFunc(best, func(a, b candidate) int {
		if a.cost != b.cost {
			return a.cost - b.cost
		}
		if x, y := commonPrefix2(name, a.name), commonPrefix2(name, b.name); x != y {
			return y - x
		}
		if len(a.name) != len(b.name) {
			return len(a.name) - len(b.name)
		}
		return strings.Compare(a.name, b.name)
	})
	var out []string
	for _, c := range best {
		if len(out) == maxMeant {
			break
		}
		if !slices.Contains(out, c.name) {
			out = append(out, c.name)
		}
	}
	return out
}

func sortedWords(name string) []string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '_' || r == ':' || r == '.' })
	slices.Sort(words)
	return words
}

func sortedWordsEqual(words []string, name string) bool {
	return slices.Equal(words, sortedWords(name))
}

func commonPrefix2(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// editCost is the distance of two names in half steps, or more than limit where it is beyond it (optimal string alignment in a band).
func editCost(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	const width = 128
	if len(a) >= width || len(b) >= width {
		return limit + 1
	}
	var rows [3][width]int
	prev2, prev, cur := &rows[0], &rows[1], &rows[2]
	for j := 1; j <= len(b); j++ {
		prev[j] = prev[j-1] + gapCost(b[j-1])
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = prev[0] + gapCost(a[i-1])
		low := cur[0]
		for j := 1; j <= len(b); j++ {
			c := min(prev[j-1]+replaceCost(a[i-1], b[j-1]), prev[j]+gapCost(a[i-1]), cur[j-1]+gapCost(b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] && a[i-1] != a[i-2] {
				c = min(c, prev2[j-2]+2)
			}
			cur[j] = c
			low = min(low, c)
		}
		if low > limit {
			return limit + 1
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

func gapCost(c byte) int {
	if c == '_' {
		return 1
	}
	return 2
}

func replaceCost(a, b byte) int {
	switch {
	case a == b:
		return 0
	case lower(a) == lower(b):
		return 1
	case separator(a) && separator(b):
		return 1
	}
	return 2
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func separator(c byte) bool { return c == '_' || c == '-' || c == '.' }
