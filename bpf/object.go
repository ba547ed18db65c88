package bpf

import (
	"bytes"
	_ "embed" // the object
	"fmt"

	"github.com/cilium/ebpf"
)

//go:embed probetape.bpf.o
var object []byte

// Spec reads the embedded object. Each call returns a specification of its own, to be changed freely.
func Spec() (*ebpf.CollectionSpec, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("reading the embedded BPF object: %w", err)
	}
	return spec, nil
}

// Names of the programs in the object.
const (
	ProgTracepoint    = "point_tracepoint"
	ProgRawTracepoint = "point_raw_tracepoint"
	ProgRegs          = "point_regs"
	ProgTracing       = "point_tracing"
	ProgFuncEnter     = "func_enter"
	ProgFuncExit      = "func_exit"
	ProgFuncFentry    = "func_fentry"
	ProgFuncFexit     = "func_fexit"
	ProgFuncSession   = "func_session"
	ProgFuncGone      = "func_gone"
	ProgSyscallEnter  = "syscall_enter"
	ProgSyscallExit   = "syscall_exit"
	ProgSyscallGone   = "syscall_gone"
	ProgDispatchEnter = "dispatch_enter"
	ProgDispatchExit  = "dispatch_exit"
	ProgTryPreempt    = "try_preempt"
	ProgFlush         = "flush"
	ProgTaskNew       = "task_newtask"
	ProgTaskExec      = "task_exec"
	ProgTaskRename    = "task_rename"
	ProgTaskExit      = "task_exit"
	ProgTaskFree      = "task_free"
)

// Names of the maps in the object.
const (
	MapEvents       = "events"
	MapTasks        = "tasks"
	MapTaskTurns    = "task_turns"
	MapCPUs         = "cpus"
	MapSlots        = "slots"
	MapCounters     = "counters"
	MapTargets      = "targets"
	MapCgroups      = "cgroups"
	MapSession      = "session"
	MapAddresses    = "addresses"
	MapFrames       = "frames"
	MapFrameBlank   = "frame_blank"
	MapGoneAgain    = "gone_again"
	MapInFlight     = "inflight"
	MapBlank        = "blank"
	MapSyscallSites = "syscall_sites"
	MapSyscallStmts = "syscall_stmts"
	MapEnterProgs   = "enter_progs"
	MapExitProgs    = "exit_progs"
)

// Names of the functions that the compiler writes, and the arguments that they get in R1 to R4.
const (
	FuncFilterEntry  = "filter_entry"  // context, environment, call: whether the event is wanted
	FuncCaptureEntry = "capture_entry" // context, environment, call, record
	FuncFilterExit   = "filter_exit"   // context, environment, call
	FuncCopyImage    = "copy_image"    // record, image
	FuncCaptureExit  = "capture_exit"  // context, environment, call, record
)

// Env is struct pt_env, which a program fills in on its stack for the functions above.
type Env struct {
	Time     uint64
	PIDTGID  uint64
	Ret      uint64
	Duration uint64
	Site     uint64
}
