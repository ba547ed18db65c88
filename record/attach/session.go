package attach

import (
	"time"

	"github.com/cilium/ebpf/btf"

	"probetape/record/compile"
	"probetape/schemas"
)

// Options are what a session needs besides the program.
type Options struct {
	BufferBytes     int    // of the event buffer, per CPU, rounded up to a power of two pages; 0: DefaultBuffer
	TaskBufferBytes int    // of the task buffer, per CPU; 0: DefaultTaskBuffer
	Cgroup          string // TargetCgroup: the cgroup's directory
	RunStats        bool   // count the programs' runs and time (Stats); it costs each run two readings of the clock

	Types *btf.Cache // the kernel's types, where several sessions can share the work of reading them; nil: they are read
}

// Defaults of Options, per CPU.
const (
	DefaultBuffer     = 4 << 20
	DefaultTaskBuffer = 1 << 20
)

// SiteResult says how one site was attached, or why it was not.
type SiteResult struct {
	Site      schemas.SiteID
	Mechanism compile.Mechanism // empty where Err is set
	Note      string            // what a reader must know, such as "uprobe: uprobe.multi refused: ..."
	Err       error
}

// Counts are a site's counters since the beginning, summed over the CPUs.
type Counts struct {
	schemas.WireCounters
	Missed int64 // runs that the kernel skipped; -1: not countable on this kernel
}

// Stats is what the programs cost.
type Stats struct {
	Runs    int64         // -1: the kernel does not count
	RunTime time.Duration // of all runs together
}
