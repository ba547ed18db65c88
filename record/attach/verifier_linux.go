package attach

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"

	"probetape/record/compile"
)

// VerifierError is a program that the kernel refused. Its text is short; %+v prints the verifier's whole log.
type VerifierError struct {
	Program   string
	Statement int // index into the plan's statements, -1 if it is none's
	Line, Col int // in the probe text; 0: the refused instruction is not from it
	What      string
	Err       *ebpf.VerifierError
}

// Error gives the verifier's last words.
func (e *VerifierError) Error() string {
	return fmt.Sprintf("loading program %s: the kernel's verifier refused it: %v", e.Program, e.Err)
}

// Unwrap returns the cause.
func (e *VerifierError) Unwrap() error { return e.Err }

// Format prints the log for %+v.
func (e *VerifierError) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('+') {
		fmt.Fprintf(f, "loading program %s: the kernel's verifier refused it: %+v", e.Program, e.Err)
		return
	}
	fmt.Fprint(f, e.Error())
}

var (
	programOf     = regexp.MustCompile(`program ([A-Za-z0-9_]+):`)
	instructionOf = regexp.MustCompile(`^(\d+): \(`)
)

// loadError finds the place in the probe text that a refused program's instruction comes from.
func loadError(prog *compile.Program, err error) error {
	var refused *ebpf.VerifierError
	match := programOf.FindStringSubmatch(err.Error())
	if !errors.As(err, &refused) || match == nil {
		return fmt.Errorf("loading programs: %w", err)
	}
	out := &VerifierError{Program: match[1], Statement: -1, Err: refused}
	for i := range prog.Stmts {
		for _, name := range prog.Stmts[i].Programs {
			if name == out.Program {
				out.Statement = i
			}
		}
	}
	if spec := prog.Spec.Programs[out.Program]; spec != nil {
		if src := sourceAt(spec, lastInstruction(refused.Log)); src != nil {
			out.Line, out.Col, out.What = src.Line, src.Col, src.What
		}
	}
	return out
}

// lastInstruction returns the number of the instruction that the verifier looked at last, -1 if its log names none.
func lastInstruction(log []string) int {
	for i := len(log) - 1; i >= 0; i-- {
		if m := instructionOf.FindStringSubmatch(strings.TrimSpace(log[i])); m != nil {
			if n, err := strconv.Atoi(m[1]); err == nil {
				return n
			}
		}
	}
	return -1
}

func sourceAt(spec *ebpf.ProgramSpec, n int) *compile.Source {
	iter := spec.Instructions.Iterate()
	for iter.Next() {
		if int(iter.Offset) == n {
			src, _ := iter.Ins.Source().(*compile.Source)
			return src
		}
	}
	return nil
}
