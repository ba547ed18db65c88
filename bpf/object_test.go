package bpf

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"probetape/schemas"
)

// TestLayout compares the structs of the compiled object with those of Go: offset, size, type and sign of every member.
func TestLayout(t *testing.T) {
	spec, err := Spec()
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{
		"wire_batch": schemas.WireBatch{}, "wire_record": schemas.WireRecord{}, "wire_call": schemas.WireCall{},
		"wire_fields": schemas.WireFields{}, "wire_text": schemas.WireText{}, "wire_counters": schemas.WireCounters{}, "wire_task": schemas.WireTask{},
		"pt_call": Call{}, "pt_target": Target{}, "pt_cpu": CPU{}, "pt_session": Session{}, "pt_env": Env{}, "pt_frame": Frame{}, "pt_nest": Nest{},
	} {
		var c *btf.Struct
		if err := spec.Types.TypeByName(name, &c); err != nil {
			t.Errorf("struct %s: %v", name, err)
			continue
		}
		compareStruct(t, c, reflect.TypeOf(value))
	}
}

func compareStruct(t *testing.T, c *btf.Struct, g reflect.Type) {
	t.Helper()
	if int(c.Size) != int(g.Size()) || len(c.Members) != g.NumField() {
		t.Errorf("struct %s: %d bytes and %d members, in Go %d and %d", c.Name, c.Size, len(c.Members), g.Size(), g.NumField())
		return
	}
	for i, m := range c.Members {
		f := g.Field(i)
		if strings.ReplaceAll(m.Name, "_", "") != strings.ToLower(f.Name) {
			t.Errorf("struct %s: member %d is %s, in Go %s", c.Name, i, m.Name, f.Name)
		}
		if m.BitfieldSize != 0 || int(m.Offset.Bytes()) != int(f.Offset) {
			t.Errorf("%s.%s: offset %d, in Go %d", c.Name, m.Name, m.Offset.Bytes(), f.Offset)
		}
		ct, n := btf.UnderlyingType(m.Type), 1
		gt := f.Type
		if a, ok := ct.(*btf.Array); ok {
			ct, n = btf.UnderlyingType(a.Type), int(a.Nelems)
			if gt.Kind() != reflect.Array || gt.Len() != n {
				t.Errorf("%s.%s: an array of %d, in Go %s", c.Name, m.Name, n, gt)
				continue
			}
			gt = gt.Elem()
		}
		num, ok := ct.(*btf.Int)
		if !ok {
			t.Errorf("%s.%s: %v is no integer", c.Name, m.Name, ct)
			continue
		}
		signed := gt.Kind() >= reflect.Int && gt.Kind() <= reflect.Int64
		if int(num.Size) != int(gt.Size()) || (num.Encoding == btf.Signed) != signed {
			t.Errorf("%s.%s: %d bytes, encoding %v, in Go %s", c.Name, m.Name, num.Size, num.Encoding, gt)
		}
	}
}

// TestNames holds that every name that Go uses is in the object.
func TestNames(t *testing.T) {
	spec, err := Spec()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		ProgTracepoint, ProgRawTracepoint, ProgRegs, ProgTracing, ProgFuncEnter, ProgFuncExit,
		ProgFuncFentry, ProgFuncFexit, ProgFuncSession, ProgFuncGone, ProgSyscallEnter, ProgSyscallExit, ProgSyscallGone, ProgDispatchEnter, ProgDispatchExit,
		ProgTryPreempt, ProgFlush, ProgTaskNew, ProgTaskExec, ProgTaskRename, ProgTaskExit, ProgTaskFree,
	} {
		if spec.Programs[name] == nil {
			t.Errorf("no program %s", name)
		}
	}
	for _, name := range []string{
		MapEvents, MapTasks, MapTaskTurns, MapCPUs, MapSlots, MapCounters, MapTargets, MapCgroups, MapSession, MapAddresses, MapFrames, MapFrameBlank, MapGoneAgain,
		MapInFlight, MapBlank,
		MapSyscallSites, MapSyscallStmts, MapEnterProgs, MapExitProgs,
	} {
		if spec.Maps[name] == nil {
			t.Errorf("no map %s", name)
		}
	}
}
