package compile

import (
	"github.com/cilium/ebpf"

	"probetape/schemas"
)

// TargetMode says whose events are recorded.
type TargetMode uint8

// The target modes.
const (
	TargetAll    TargetMode = iota // every task but the recorder's own
	TargetPIDs                     // the processes added to the session, and their children where Config.Children is set
	TargetCgroup                   // tasks in a cgroup of version 2 or below it
)

// Features is what the recording kernel can do. The Linux side finds it out by trying; here it is data, so that compiling is pure.
type Features struct {
	Cmpxchg       bool `json:"cmpxchg"`        // atomic compare-and-exchange (5.12)
	TaskBTF       bool `json:"task_btf"`       // bpf_get_current_task_btf (5.11)
	TaskRegs      bool `json:"task_regs"`      // bpf_task_pt_regs (5.15)
	RawPreempt    bool `json:"raw_preempt"`    // programs of raw tracepoints are preempted, and skipped while another task's run is
	Preempt       bool `json:"preempt"`        // kernel code is preempted: preemption is full or lazy
	NoPreempt     bool `json:"no_preempt"`     // programs can ask not to be preempted (6.12)
	Cookie        bool `json:"cookie"`         // bpf_get_attach_cookie of perf events (5.15)
	UprobeMulti   bool `json:"uprobe_multi"`   // 6.6
	Kprobe        bool `json:"kprobe"`         // CONFIG_KPROBE_EVENTS
	KprobeMulti   bool `json:"kprobe_multi"`   // 5.18, with CONFIG_FPROBE
	KprobeSession bool `json:"kprobe_session"` // 6.10, with CONFIG_FPROBE
	SessionCtx    bool `json:"session_ctx"`    // its kfuncs take the context (7.0)
	Fentry        bool `json:"fentry"`         // 5.5, with CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS
}

// Config is everything besides the plan that the programs depend on.
type Config struct {
	Mode     TargetMode
	Children bool   // TargetPIDs: a target's new processes are targets
	SelfPID  uint32 // the recorder's own process, never recorded
	CPUs     int    // possible CPUs, for the budget figures
	Features Features

	// InFlightBytes is the most kernel memory that one call statement may hold between entries and returns; 0: DefaultInFlight.
	InFlightBytes int
	// BatchBytes is how much a CPU collects before it sends a sample; 0: DefaultBatch. It is raised to the largest record.
	BatchBytes int
}

// Defaults of Config.
const (
	DefaultInFlight = 16 << 20
	DefaultBatch    = 8 << 10
)

// Program is a plan compiled for a kernel: what to load and how to attach it. It is pure data.
type Program struct {
	Spec   *ebpf.CollectionSpec
	Config Config

	Tables []schemas.Table // Tables[i].ID == i
	Sites  []SitePlan      // Sites[i].Site.ID == i
	Stmts  []StmtPlan      // parallel to the plan's statements
	Layers []Layer         // of system calls
	Calls  []CallMap       // with calls under way

	Functions []Function // statements of calls of functions

	Slot int // bytes of a CPU's batch, and the most of a sample
}

// CallMap is a map of calls under way.
type CallMap struct {
	Name     string
	Function bool        // its values have a bpf.Nest, and a task has an entry for each depth
	Dead     schemas.End // Function: the end of a call that is no longer on its task's stack
}

// Function is what a statement of function calls attaches besides its sites.
type Function struct {
	Stmt int
	Gone string // program for sched_process_exit and sched_process_free
	Exec string // for sched_process_exec, empty: none
}

// Layer is system calls that share a pair of raw tracepoints: statements that have no call in common.
type Layer struct {
	Enter, Exit, Gone string // programs for sys_enter, sys_exit and sched_process_exit
	Mechanism         Mechanism
	InFlight          string // map of the calls under way
	Sites             []schemas.SiteID
}

// SitePlan is how one site is attached.
type SitePlan struct {
	Site      schemas.Site
	Stmt      int // index into Program.Stmts
	Mechanism Mechanism
	Entry     string // name of the program in Spec that runs at the point or the entry
	Exit      string // call kinds: of the one that runs at the return
	Cookie    uint64 // attach cookie, where the kernel has them; the site's id
	Addresses string // name of the map that the session enters the site's address into, empty: none
	RefCtr    uint64 // file offset of the USDT semaphore, 0 none
}

// Mechanism is what the kernel is asked for to attach a site.
type Mechanism string

// The mechanisms.
const (
	MechRawTracepoint Mechanism = "raw_tracepoint"
	MechTracepoint    Mechanism = "perf_tracepoint"
	MechSyscall       Mechanism = "raw_tracepoint sys_enter/sys_exit"
	MechSyscallRecord Mechanism = "perf_tracepoint raw_syscalls"
	MechUprobe        Mechanism = "uprobe"
	MechUprobeMulti   Mechanism = "uprobe.multi"
	MechKprobe        Mechanism = "kprobe"
	MechKprobeMulti   Mechanism = "kprobe.multi"
	MechFentry        Mechanism = "fentry"
	MechFexit         Mechanism = "fexit"

	// Of calls.
	MechKprobeSession   Mechanism = "kprobe.session"
	MechKprobeMultiPair Mechanism = "kprobe.multi + kretprobe.multi"
	MechKprobePair      Mechanism = "kprobe + kretprobe"
	MechFentryPair      Mechanism = "fentry + fexit"
	MechUprobePair      Mechanism = "uprobe + uretprobe"
	MechUprobeMultiPair Mechanism = "uprobe.multi + uretprobe.multi"
)

// StmtPlan is what one statement costs.
type StmtPlan struct {
	Table        schemas.TableID
	Kind         schemas.ProbeKind
	Sites        int
	Layout       schemas.Layout
	FixedBytes   int      // bytes of every record, texts aside
	MaxBytes     int      // the most bytes of one record
	InFlight     int      // calls that can be under way at once; 0 for points
	InFlightSize int      // bytes of kernel memory for them
	Programs     []string // names in Spec
	Instructions int      // of those programs together
	Mechanism    Mechanism
}
