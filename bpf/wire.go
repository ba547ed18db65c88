package bpf

// The structs that BPF programs share with the session besides the wire of package schemas. bpf/src/wire.h is generated from both.

// Call is the head of a value in an in-flight map: a call that has been entered. The image of its record follows (calls of functions:
// after a Nest), as it was made at the entry: a whole record, with the fields that are read at the return marked null.
type Call struct {
	State uint32 // Call...
	Stmt  uint32 // statement's number within its layer (system calls)
	Args  [10]uint64
}

// States of a Call.
const (
	CallIdle     = 0 // the task is known and in no call
	CallActive   = 1 // the call is under way, the image holds
	CallFiltered = 2 // the call is under way, and the filter left it out
)

// Frame is the key of a call of a function: its task, and how many of the statement's calls are around it.
type Frame struct {
	Task  uint64 // address of the task_struct
	Depth uint64
}

// Nest follows Call in the value of a call of a function.
type Nest struct {
	Depth   uint32 // at depth 0: how many calls the task is in
	Deepest uint32 // at depth 0: the largest Frame.Depth that it ever had
	Top     uint64 // at depth 0: SP of the innermost call
	SP      uint64 // what tells the call's return: its stack pointer at the entry, or the address of its trampoline's frame
	Below   uint64 // SP of the call around it
}

// NoSite stands for a site that is not known.
const NoSite = ^uint32(0)

// MaxDepth is the most calls of a statement that a task can be in; entries from KeepDepth on go when the call returns.
const (
	MaxDepth  = 64 // as many returns as the kernel follows for a task of a user program
	KeepDepth = 8
)

// Target is the value of a process in the target map; the key is its thread group id.
type Target struct {
	State uint32 // Target...
	Pad   uint32
	Start uint64 // boot clock, ns, of the process; 0: not known
}

// States of a Target.
const (
	TargetActive = 1
	TargetArmed  = 2 // recorded from its next execve on
)

// CPU is the state of a CPU's scratch slots. Slot 0 collects a batch; the others take single records of programs that interrupt its owner.
type CPU struct {
	Busy      [4]uint32
	Seq       uint64
	SingleSeq uint64
	TaskLost  uint64 // task events that did not fit into their buffer
}

// Session is what the programs learn when the recording starts.
type Session struct {
	Start uint64 // boot clock, ns: the first probe of a call was attached
}

// Params are the numbers that a copy of a program is made with: each is a move of ParamBase + its index that the compiler replaces.
type Param int32

// ParamBase is added to a parameter's index in the object.
const ParamBase = 0x50540000

// The parameters.
const (
	ParamMode       Param = iota // of compile.TargetMode
	ParamSelf                    // the recorder's thread group
	ParamChildren                // 1: children of targets are targets
	ParamCmpxchg                 // 1: the kernel has compare-and-exchange
	ParamTaskBTF                 // 1: bpf_get_current_task_btf
	ParamTaskRegs                // 1: bpf_task_pt_regs
	ParamCookie                  // 1: the attach cookie is the site
	ParamSite                    // the site where there is no cookie
	ParamTable                   // table id
	ParamRoom                    // the most bytes of a record, slack included
	ParamSlot                    // bytes of a scratch slot
	ParamFilter                  // 1: there is a filter at the entry
	ParamExitFilter              // 1: there is a filter at the return
	ParamArgs                    // calls: bit i: argument i is used
	ParamStmt                    // Call.Stmt
	ParamErrno                   // 1: a return value in -4095..-1 is an errno
	ParamUser                    // 1: arguments are those of a user function
	ParamSites                   // how many sites there are
	ParamTwin                    // Twin...
	ParamPreempt                 // 1: the kernel may preempt the program, and can be asked not to
	ParamAddress                 // 1: the site is found by the probe's address
	ParamResultAt                // fexit: bytes from the context to the result
	ParamStale                   // 1: calls can be over without a return
	ParamSessionCtx              // 1: the kfuncs of sessions take the context
	ParamGone                    // schemas.End of calls whose task is gone
	ParamRecord                  // 1: system calls come as the records of raw_syscalls, not as the arguments of the raw tracepoints
	paramEnd
)

// Which of two copies of a task program one is.
const (
	TwinNone   = 0
	TwinFirst  = 1
	TwinSecond = 2 // runs behind the first one and does what that was skipped for
)

// ParamCount is the number of parameters.
const ParamCount = int(paramEnd)

// SiteSkipped marks a system call's slot whose calls are counted and not recorded: the kernel's own calls for uprobes.
const SiteSkipped = 0x80000000
