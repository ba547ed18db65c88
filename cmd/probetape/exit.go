package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"probetape/analyze"
	"probetape/record"
	"probetape/schemas/expr"
)

// The exit statuses. A recorded command's own status is returned as it is, so record's own failures before it have one of their own.
const (
	statusOK            = 0
	statusFailed        = 1
	statusUsage         = 2
	statusIncomplete    = 3   // --strict, and something was lost or cut
	statusRecordFailed  = 125 // record -- COMMAND: the recorder failed before the command ran
	statusCannotRun     = 126 // record -- COMMAND: it is there but cannot be run
	statusNotFound      = 127 // record -- COMMAND: there is none of that name
	statusSignalled     = 128 // plus the number of the signal that ended the command
	maxSuggestDistance  = 3
	suggestionSeparator = ", "
)

// usageError is a wrong use of the program: what is wrong, and what to type instead.
type usageError struct {
	msg   string
	hints []string
	err   error // the cause, where there is one
}

func (e *usageError) Error() string { return e.msg }
func (e *usageError) Unwrap() error { return e.err }

// Hints returns what to do next, a line each.
func (e *usageError) Hints() []string { return e.hints }

// usagef makes a usageError with one hint (none if it is empty).
func usagef(hint, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	u := &usageError{msg: err.Error(), err: errors.Unwrap(err)}
	if hint != "" {
		u.hints = []string{hint}
	}
	return u
}

// statusError carries an exit status of its own: a recorded command's, or record's failures before it. A nil err prints nothing.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}
func (e *statusError) Unwrap() error { return e.err }

// errIncomplete is returned by a command run with --strict whose result is not complete; what is missing has been printed.
var errIncomplete = errors.New("the result is incomplete")

// hinter is an error that knows what to do next.
type hinter interface{ Hints() []string }

// finish prints an error and returns the exit status for it.
func finish(stderr io.Writer, err error) int {
	if err == nil {
		return statusOK
	}
	var status *statusError
	if !errors.As(err, &status) || status.err != nil {
		printError(stderr, err)
	}
	return exitStatus(err)
}

// exitStatus maps an error to the program's exit status.
func exitStatus(err error) int {
	var status *statusError
	var usage *usageError
	var coder cli.ExitCoder
	switch {
	case err == nil:
		return statusOK
	case errors.As(err, &status):
		return status.status
	case errors.As(err, &usage), isProbeText(err), isWrongQuestion(err):
		return statusUsage
	case errors.Is(err, errIncomplete):
		return statusIncomplete
	case errors.As(err, &coder): // cli's own: a help topic that does not exist
		return statusUsage
	}
	return statusFailed
}

// isProbeText reports whether an error is about probe text.
func isProbeText(err error) bool {
	var found expr.Diagnostics
	return errors.As(err, &found)
}

// isWrongQuestion reports whether an analysis was asked what it cannot answer, or for what no capture has.
func isWrongQuestion(err error) bool {
	var wrong *analyze.WrongUseError
	var unknown *analyze.UnknownNameError
	return errors.As(err, &wrong) || errors.As(err, &unknown)
}

// printError writes one line for the error and one for each hint; of probe text, the lines that are not right with a mark under the place.
func printError(w io.Writer, err error) {
	var found expr.Diagnostics
	if errors.As(err, &found) {
		// Nothing is left to be done where standard error itself cannot be written.
		if found.Render(w) != nil {
			return
		}
		return
	}
	var refused *record.RefusedError
	if errors.As(err, &refused) && refused.Place.Render(w) != nil {
		return
	}
	text := strings.TrimRight(err.Error(), "\n")
	lines := []string{"probetape: " + text}
	var h hinter
	if errors.As(err, &h) {
		for _, hint := range h.Hints() {
			lines = append(lines, "  hint: "+hint)
		}
	}
	// Nothing is left to be done where standard error itself cannot be written.
	fmt.Fprintln(w, strings.Join(lines, "\n"))
}

// dashed writes a flag's name as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// unknownCommand is the error for a command that does not exist.
func unknownCommand(parent, name string, names []string) error {
	if near := nearest(name, names); near != "" {
		return usagef(fmt.Sprintf("did you mean %s %s?", parent, near), "unknown command %q", name)
	}
	return usagef(fmt.Sprintf("the commands are: %s", strings.Join(names, suggestionSeparator)), "unknown command %q", name)
}

// nearest returns the name that is fewest edits away, empty where none is near.
func nearest(name string, names []string) string {
	best, at := maxSuggestDistance+1, ""
	for _, n := range names {
		if d := editDistance(name, n); d < best && d <= (len(n)+1)/2 {
			best, at = d, n
		}
	}
	return at
}

// editDistance counts the insertions, deletions, replacements and swaps of neighbours that turn a into b.
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
