package main

import (
	"bytes"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"probetape/record"
	"probetape/record/compile"
	"probetape/record/resolve"
	"probetape/schemas"
)

// planned is a program of two statements, as it comes out of the checker.
func planned(t *testing.T) *record.Prepared {
	t.Helper()
	u64 := resolve.Type{Kind: resolve.KindInt, Size: 8}
	plan := &resolve.Plan{
		Statements: []resolve.Statement{
			{
				Table: schemas.Table{Name: "slow", Call: true, Fields: []schemas.Field{
					{Name: "path", Type: schemas.TypeString, MaxLen: 256},
					{Name: "ret", Type: schemas.TypeI64, AtExit: true},
				}},
				Kind: schemas.KindSyscall, Line: 1, Text: "slow = syscall:openat\n  { path = str(arg1, 256), ret = retval }",
				Fields: []*resolve.Expr{
					{Op: resolve.OpStr, Type: resolve.Type{Kind: resolve.KindString, Max: 256}, X: &resolve.Expr{Op: resolve.OpArg, Type: u64, Int: 1}, Max: 256, User: true},
					{Op: resolve.OpRet, Type: resolve.Type{Kind: resolve.KindInt, Size: 8, Signed: true}},
				},
				Sites: []resolve.Site{
					{Site: schemas.Site{ID: 0, Kind: schemas.KindSyscall, Name: "openat", ABI: schemas.ABIx8664, Number: 257}, ArgCount: 4},
					{Site: schemas.Site{ID: 1, Kind: schemas.KindSyscall, Name: "openat", ABI: schemas.ABIi386, Number: 295}, ArgCount: 4},
				},
			},
			{
				Table: schemas.Table{ID: 1, Name: "rawtracepoint:sched_switch"},
				Kind:  schemas.KindRawTracepoint, Line: 3, Text: "rawtracepoint:sched_switch",
				Sites: []resolve.Site{{Site: schemas.Site{ID: 2, Table: 1, Kind: schemas.KindRawTracepoint, Name: "sched_switch", Symbol: "sched_switch"}, ArgCount: 3}},
			},
		},
		Notes: []string{"a note"},
	}
	program, err := compile.Compile(plan, compile.Config{
		Mode: compile.TargetAll, SelfPID: 1, CPUs: 4,
		Features: compile.Features{Cmpxchg: true, TaskBTF: true, TaskRegs: true, Cookie: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &record.Prepared{Plan: plan, Program: program, Assumed: "something"}
}

var sizesOfPrograms = regexp.MustCompile(`(?m)[0-9][0-9.,]*( instructions| programs| MiB at most: event| MiB$)`)

func TestPrintPlan(t *testing.T) {
	const golden = "testdata/plan.txt"
	var out bytes.Buffer
	opts := record.Options{Output: "x.tape", MaxBytes: 1 << 30, Flush: time.Second, BufferBytes: 4 << 20}
	if err := printPlan(&out, planned(t), &opts); err != nil {
		t.Fatal(err)
	}
	// How many instructions and how much memory the skeletons take is for the compiler's tests to say.
	got := sizesOfPrograms.ReplaceAllString(out.String(), "N$1")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}
