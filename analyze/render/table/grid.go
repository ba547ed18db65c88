package table

import (
	"bufio"
	"strings"
	"unicode/utf8"
)

// grid is rows of cells in aligned columns.
type grid struct {
	cols []column
	rows [][]string
}

type column struct {
	head  string
	right bool // numbers
}

// newGrid makes a grid with columns of text on the left and columns of numbers on the right.
func newGrid(texts []string, numbers ...string) *grid {
	g := &grid{}
	for _, t := range texts {
		g.cols = append(g.cols, column{head: t})
	}
	for _, n := range numbers {
		g.cols = append(g.cols, column{head: n, right: true})
	}
	return g
}

func (g *grid) row(texts []string, numbers ...string) {
	g.rows = append(g.rows, append(append([]string(nil), texts...), numbers...))
}

// write writes the head, where a column has one, and the rows. No line ends in spaces.
func (g *grid) write(w *bufio.Writer) {
	widths := make([]int, len(g.cols))
	headed := false
	for i, c := range g.cols {
		widths[i] = len(c.head)
		headed = headed || c.head != ""
	}
	for _, r := range g.rows {
		for i, text := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	if headed {
		heads := make([]string, len(g.cols))
		for i, c := range g.cols {
			heads[i] = strings.ToUpper(c.head)
		}
		g.line(w, heads, widths)
	}
	for _, r := range g.rows {
		g.line(w, r, widths)
	}
}

func (g *grid) line(w *bufio.Writer, cells []string, widths []int) {
	var b strings.Builder
	for i, text := range cells {
		if i > 0 {
			b.WriteString("  ")
		}
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
		if g.cols[i].right {
			b.WriteString(pad + text)
		} else {
			b.WriteString(text + pad)
		}
	}
	say(w, "%s\n", strings.TrimRight(b.String(), " "))
}
