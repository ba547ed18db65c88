package schemas

// TableID numbers a table within a capture, from 0.
type TableID uint32

// SiteID numbers a site within a capture, from 0, across all tables.
type SiteID uint32

// Table is what one probe statement records: a row for each event (point tables) or call (call tables).
//
// Every row has the base columns time, cpu, task and site; rows of call tables also have duration, end and errno.
type Table struct {
	ID     TableID `json:"id"`
	Name   string  `json:"name"`
	Call   bool    `json:"call"`
	Source string  `json:"source"` // the statement's text
	Kit    string  `json:"kit,omitempty"`
	Fields []Field `json:"fields,omitempty"`
}

// FieldIndex returns the position of the field called name, -1 where there is none.
func (t *Table) FieldIndex(name string) int {
	for i := range t.Fields {
		if t.Fields[i].Name == name {
			return i
		}
	}
	return -1
}

// ABI is the calling convention a system call was made with.
type ABI string

// The ABIs of x86-64 kernels. System calls of different ABIs have their own numbers, so they are sites of their own.
const (
	ABINone  ABI = ""
	ABIx8664 ABI = "x86_64"
	ABIi386  ABI = "i386"
)

// Site is one place that a probe is attached to.
type Site struct {
	ID        SiteID    `json:"id"`
	Table     TableID   `json:"table"`
	Kind      ProbeKind `json:"kind"`
	Name      string    `json:"name"`               // how outputs call it: openat, sched_switch, malloc
	Category  string    `json:"category,omitempty"` // tracepoint category or USDT provider
	Module    string    `json:"module,omitempty"`   // kernel module, or the path of the user binary
	BuildID   string    `json:"build_id,omitempty"` // hex
	Symbol    string    `json:"symbol,omitempty"`
	Offset    uint64    `json:"offset,omitempty"`  // bytes from the symbol
	Address   uint64    `json:"address,omitempty"` // kernel address, or file offset in the user binary
	ABI       ABI       `json:"abi,omitempty"`
	Number    int32     `json:"number,omitempty"`    // system call number
	Mechanism string    `json:"mechanism,omitempty"` // what the kernel was asked for: raw_tracepoint, perf_tracepoint, uprobe, uprobe.multi, fentry, ...
	Note      string    `json:"note,omitempty"`      // why it is not attached, or what a reader must know
}

// TaskID numbers a task within a capture, from 0: one thread from its creation to its exit, whatever its names. A thread id that the
// kernel gives out again is another task.
type TaskID uint32

// NoTask stands where an event's task is unknown.
const NoTask = ^TaskID(0)

// TaskName is a name that a task had from a time on.
type TaskName struct {
	From int64  `json:"from"` // boot clock, ns
	Comm string `json:"comm"`
	Exe  string `json:"exe,omitempty"` // path given to exec, or of /proc/PID/exe; empty: as before
}

// Task is one thread.
type Task struct {
	ID        TaskID     `json:"id"`
	PID       uint32     `json:"pid"` // thread group id
	TID       uint32     `json:"tid"`
	ParentPID uint32     `json:"ppid"`
	Start     int64      `json:"start,omitempty"` // boot clock, ns; 0: not known
	Exit      int64      `json:"exit,omitempty"`  // 0: not seen to exit
	UID       uint32     `json:"uid"`
	Cgroup    string     `json:"cgroup,omitempty"`
	Kernel    bool       `json:"kernel,omitempty"` // a kernel thread
	Target    bool       `json:"target,omitempty"` // matched by -p, --cgroup or the command
	Names     []TaskName `json:"names,omitempty"`  // in order of From; the first may be older than its From
}

// NameAt returns the task's name at a time of the boot clock: the last one begun by then, or the first.
func (t *Task) NameAt(boot int64) TaskName {
	if len(t.Names) == 0 {
		return TaskName{}
	}
	n := t.Names[0]
	for _, next := range t.Names[1:] {
		if next.From > boot {
			break
		}
		if next.Exe == "" {
			next.Exe = n.Exe
		}
		n = next
	}
	return n
}

// Stack is one call stack, innermost frame first.
type Stack struct {
	ID     uint32   `json:"id"`
	Frames []uint64 `json:"frames"`
	User   bool     `json:"user,omitempty"`
	Task   TaskID   `json:"task,omitempty"` // user stacks: whose address space
}

// Symbol names an address that the capture holds, resolved while recording.
type Symbol struct {
	Address uint64 `json:"address"`
	PID     uint32 `json:"pid,omitempty"` // user addresses: whose; 0: the kernel's
	Name    string `json:"name"`
	Offset  uint64 `json:"offset,omitempty"`
	Module  string `json:"module,omitempty"`
	BuildID string `json:"build_id,omitempty"`
}

// Blocked is what one target task was doing when the recording started or ended, from /proc.
type Blocked struct {
	AtEnd   bool     `json:"at_end,omitempty"`
	Time    int64    `json:"time"` // boot clock, ns
	Task    TaskID   `json:"task"`
	State   string   `json:"state"`             // the letter of /proc/PID/stat: S, D, ...
	Syscall string   `json:"syscall,omitempty"` // name; empty: not in a system call, or not readable
	Args    []uint64 `json:"args,omitempty"`
	Wchan   string   `json:"wchan,omitempty"`
	Stack   []string `json:"stack,omitempty"` // kernel functions, innermost first
	Since   int64    `json:"since,omitempty"` // boot clock, ns, of the last time it was seen to run; 0: not known
	Still   bool     `json:"still,omitempty"` // AtEnd: it has not run since the recording began
	Note    string   `json:"note,omitempty"`  // what could not be read, and why
}
