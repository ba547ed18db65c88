package compile

import (
	"github.com/cilium/ebpf"

	"probetape/record/resolve"
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
	Cookie        bool `json:"cookie"`          // bpf_get_attach_cookie for perf events (5.15)
	Cmpxchg       bool `json:"cmpxchg"`         // atomic compare-and-exchange (5.12)
	TaskBTF       bool `json:"task_btf"`        // bpf_get_current_task_btf (5.11)
	UprobeMulti   bool `json:"uprobe_multi"`    // 6.6
	KprobeMulti   bool `json:"kprobe_multi"`    // 5.18 with CONFIG_FPROBE
	KprobeSession bool `json:"kprobe_session"`  // 6.10 with CONFIG_FPROBE
	Kprobe        bool `json:"kprobe"`          // CONFIG_KPROBE_EVENTS
	Fentry        bool `json:"fentry"`          // BPF trampolines
	TracingCookie bool `json:"tracing_cookie"`  // bpf_get_attach_cookie for fentry and fexit (6.0)
	RawTPCookie   bool `json:"raw_tp_cookie"`   // bpf_get_attach_cookie for raw tracepoints (6.10)
	RunStats      bool `json:"run_stats"`       // BPF_ENABLE_STATS (5.8)
	MembarrierCmd bool `json:"membarrier"`      // MEMBARRIER_CMD_GLOBAL
	TestRunRawTP  bool `json:"test_run_raw_tp"` // BPF_PROG_TEST_RUN of raw tracepoints on a chosen CPU (5.10)
	BatchLookup   bool `json:"batch_lookup"`    // BPF_MAP_LOOKUP_BATCH of per-CPU arrays (5.13)
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
}

// SitePlan is how one site is attached.
type SitePlan struct {
	Site      schemas.Site
	Stmt      int // index into Program.Stmts
	Mechanism Mechanism
	Entry     string // name of the program in Spec that runs at the point or the entry
	Exit      string // call kinds: of the one that runs at the return
	Cookie    uint64 // attach cookie, where the kernel has them; the site's id
	RefCtr    uint64 // file offset of the USDT semaphore, 0 none
}

// Mechanism is what the kernel is asked for to attach a site.
type Mechanism string

// The mechanisms.
const (
	MechRawTracepoint Mechanism = "raw_tracepoint"
	MechTracepoint    Mechanism = "perf_tracepoint"
	MechSyscall       Mechanism = "raw_tracepoint sys_enter/sys_exit"
	MechUprobe        Mechanism = "uprobe"
	MechUprobeMulti   Mechanism = "uprobe.multi"
	MechKprobe        Mechanism = "kprobe"
	MechKprobeMulti   Mechanism = "kprobe.multi"
	MechKprobeSession Mechanism = "kprobe.session"
	MechFentry        Mechanism = "fentry"
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
	Filter       *resolve.Expr
}
