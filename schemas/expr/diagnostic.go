package expr

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxDiagnostics is the most that is reported of one program: whoever corrects these ten tries again anyway.
const MaxDiagnostics = 10

// Severity grades a diagnostic.
type Severity string

// The severities. A note does not keep a program from running.
const (
	SeverityError Severity = "error"
	SeverityNote  Severity = "note"
)

// Diagnostic is one thing to say about a source: where, what, and what to do about it.
type Diagnostic struct {
	Source   string   `json:"source"` // the source's name
	Line     int      `json:"line"`   // from 1
	Col      int      `json:"column"` // from 1, in runes
	Length   int      `json:"length"` // runes that it is about, on that line; at least 1
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Hints    []string `json:"hints,omitempty"`
	LineText string   `json:"text"` // the line, as it is in the source
}

// Error makes an error about a place.
func (s *Source) Error(at Node, message string, hints ...string) Diagnostic {
	return s.diagnostic(SeverityError, at, message, hints)
}

// Note makes a note about a place.
func (s *Source) Note(at Node, message string, hints ...string) Diagnostic {
	return s.diagnostic(SeverityNote, at, message, hints)
}

func (s *Source) diagnostic(severity Severity, at Node, message string, hints []string) Diagnostic {
	from, to := at.Pos(), at.End()
	line := s.lineAround(from)
	d := Diagnostic{
		Source: s.Name, Line: from.Line, Col: from.Col, Length: 1,
		Severity: severity, Message: message, Hints: hints, LineText: line,
	}
	// What goes on over several lines is marked to the end of its first.
	switch {
	case to.Line > from.Line:
		d.Length = max(1, utf8.RuneCountInString(line)-(from.Col-1))
	case to.Col > from.Col:
		d.Length = to.Col - from.Col
	}
	return d
}

// Error returns the diagnostic in one line, without its hints.
func (d Diagnostic) Error() string {
	if d.Severity == SeverityNote {
		return fmt.Sprintf("%s:%d:%d: note: %s", d.Source, d.Line, d.Col, d.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", d.Source, d.Line, d.Col, d.Message)
}

// Diagnostics are what there is to say about a program. It is an error where one of them is (see Err).
type Diagnostics []Diagnostic

// Err returns the diagnostics as an error, nil where there are none but notes.
func (ds Diagnostics) Err() error {
	if ds.HasErrors() {
		return ds
	}
	return nil
}

// HasErrors reports whether one of the diagnostics is an error.
func (ds Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity != SeverityNote })
}

// Error returns the first error in one line, and how many others there are.
func (ds Diagnostics) Error() string {
	first, errors := -1, 0
	for i, d := range ds {
		if d.Severity == SeverityNote {
			continue
		}
		if first < 0 {
			first = i
		}
		errors++
	}
	switch errors {
	case 0:
		return "no errors"
	case 1:
		return ds[first].Error()
	}
	return fmt.Sprintf("%s (and %d more)", ds[first].Error(), errors-1)
}

// Hints returns the first error's hints.
func (ds Diagnostics) Hints() []string {
	for _, d := range ds {
		if d.Severity != SeverityNote {
			return d.Hints
		}
	}
	return nil
}

// Sorted returns the diagnostics in order of the text, sources in the order they are first mentioned, one per place, and at most
// MaxDiagnostics; errors before notes where not all can be kept.
func (ds Diagnostics) Sorted() Diagnostics {
	order := make(map[string]int)
	for _, d := range ds {
		if _, ok := order[d.Source]; !ok {
			order[d.Source] = len(order)
		}
	}
	type place struct {
		source    string
		line, col int
		severity  Severity
	}
	seen := make(map[place]bool)
	sorted := make(Diagnostics, 0, len(ds))
	for _, d := range ds {
		p := place{d.Source, d.Line, d.Col, d.Severity}
		if !seen[p] {
			seen[p] = true
			sorted = append(sorted, d)
		}
	}
	byPlace := func(a, b Diagnostic) int {
		if c := order[a.Source] - order[b.Source]; c != 0 {
			return c
		}
		if c := a.Line - b.Line; c != 0 {
			return c
		}
		return a.Col - b.Col
	}
	slices.SortStableFunc(sorted, byPlace)
	if len(sorted) <= MaxDiagnostics {
		return sorted
	}
	kept := make(Diagnostics, 0, MaxDiagnostics)
	for _, severity := range []Severity{SeverityError, SeverityNote} {
		for _, d := range sorted {
			if d.Severity == severity && len(kept) < MaxDiagnostics {
				kept = append(kept, d)
			}
		}
	}
	slices.SortStableFunc(kept, byPlace)
	return kept
}

// Render writes each diagnostic with its line, a mark under the place, and its hints.
//
//	-e:1:9: there is no system call "opnat"
//	    syscall:opnat { args.flags }
//	            ^~~~~
//	    hint: did you mean openat?
func (ds Diagnostics) Render(w io.Writer) error {
	for _, d := range ds {
		if err := d.render(w); err != nil {
			return err
		}
	}
	return nil
}

func (d Diagnostic) render(w io.Writer) error {
	var b strings.Builder
	b.WriteString(printable(d.Error()))
	b.WriteByte('\n')
	if d.LineText != "" {
		line, mark := d.marked()
		fmt.Fprintf(&b, "    %s\n    %s\n", line, mark)
	}
	for _, h := range d.Hints {
		fmt.Fprintf(&b, "    hint: %s\n", printable(h))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// The most runes of a line that are shown, and those before the place where the line is cut.
const (
	maxShown  = 160
	shownHead = 40
)

// marked returns the line as it is shown and the mark below it.
func (d Diagnostic) marked() (line, mark string) {
	runes := []rune(d.LineText)
	at := min(d.Col-1, len(runes))
	from, to := 0, len(runes)
	if to > maxShown {
		from = max(0, at-shownHead)
		to = min(len(runes), from+maxShown)
	}
	var l, m strings.Builder
	if from > 0 {
		l.WriteString("... ")
		m.WriteString("    ")
	}
	length := min(max(d.Length, 1), max(to-at, 1))
	for i := from; i < to || i < at+length; i++ {
		shown := " "
		if i < to {
			shown = shownRune(runes[i])
			l.WriteString(shown)
		}
		switch {
		case i < at && shown == "\t":
			m.WriteByte('\t') // as wide as it is above
		case i < at:
			m.WriteString(strings.Repeat(" ", utf8.RuneCountInString(shown)))
		case i == at:
			m.WriteString("^" + strings.Repeat("~", utf8.RuneCountInString(shown)-1))
		case i < at+length:
			m.WriteString(strings.Repeat("~", utf8.RuneCountInString(shown)))
		}
	}
	if to < len(runes) {
		l.WriteString(" ...")
	}
	return l.String(), m.String()
}

// shownRune is a rune as a terminal may get it: a probe file is foreign text, and must not move the cursor or change colours.
func shownRune(r rune) string {
	if r == '\t' || unicode.IsPrint(r) {
		return string(r)
	}
	return fmt.Sprintf("\\u%04x", r)
}

// printable is text whose control characters are spelt out.
func printable(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		b.WriteString(shownRune(r))
	}
	return b.String()
}
