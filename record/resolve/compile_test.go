package resolve_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"probetape/record/compile"
	"probetape/record/resolve"
	"probetape/record/resolve/generate"
	"probetape/schemas/expr"
)

// kernels are features of kernels that plans are compiled for: the oldest that is supported, and one that has everything.
var kernels = []compile.Features{
	{Kprobe: true, Fentry: true},
	{Cmpxchg: true, TaskBTF: true, TaskRegs: true, Cookie: true, UprobeMulti: true, Kprobe: true, KprobeMulti: true, KprobeSession: true, Fentry: true},
}

// compiles compiles a plan for every kernel. Matches against patterns are the one operation that the compiler does not know yet: a plan with one
// must be refused for it, and for nothing else.
func compiles(plan *resolve.Plan) error {
	match := matches(plan)
	for _, f := range kernels {
		prog, err := compile.Compile(plan, compile.Config{Mode: compile.TargetAll, CPUs: 4, Features: f})
		switch {
		case err != nil && match && strings.Contains(err.Error(), "patterns are not compiled"):
			return nil
		case err != nil:
			return err
		}
		if len(prog.Tables) == 0 || len(prog.Sites) == 0 {
			return fmt.Errorf("compiling: %d tables, %d sites", len(prog.Tables), len(prog.Sites))
		}
	}
	return nil
}

// matches reports whether a plan matches texts against patterns.
func matches(plan *resolve.Plan) bool {
	var in func(x *resolve.Expr) bool
	in = func(x *resolve.Expr) bool {
		return x != nil && (x.Op == resolve.OpMatch || in(x.X) || in(x.Y) || in(x.Z))
	}
	for _, s := range plan.Statements {
		if in(s.Filter) || in(s.ExitFilter) || slices.ContainsFunc(s.Fields, in) {
			return true
		}
	}
	return false
}

// TestGeneratedProgramsCompile holds that what the checker accepts the compiler compiles: programs that are made up, from a fixed seed.
func TestGeneratedProgramsCompile(t *testing.T) {
	host := testHost(t, "linux-6.18")
	g, err := generate.New(host, 1, generate.Options{Binaries: []string{"bash", "server", "libjvm.so"}})
	if err != nil {
		t.Fatal(err)
	}
	programs := 600
	if testing.Short() {
		programs = 100
	}
	accepted := 0
	refused := map[string]int{}
	for range programs {
		text := g.Program()
		plan, diags := checkText(host, &expr.Source{Name: "generated", Text: text})
		if plan == nil {
			for _, d := range diags {
				if d.Severity == expr.SeverityError {
					refused[sentence(d.Message)]++
				}
			}
			continue
		}
		accepted++
		if err := compiles(plan); err != nil {
			t.Errorf("accepted and not compiled: %v\n%s", err, text)
		}
	}
	// Enough of them must be programs, or the test holds little.
	if accepted < programs/4 {
		t.Errorf("%d of %d programs are accepted; refused: %v", accepted, programs, refused)
	}
	t.Logf("%d of %d accepted; refused: %v", accepted, programs, refused)
}

// sentence cuts what differs from program to program out of a message.
func sentence(message string) string {
	words := strings.Fields(message)
	return strings.Join(words[max(0, len(words)-4):], " ")
}
