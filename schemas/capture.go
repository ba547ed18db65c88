package schemas

// FormatMajor and FormatMinor version the capture. A reader refuses a newer major and reads a newer minor.
const (
	FormatMajor = 1
	FormatMinor = 0
)

// Host is where a capture was recorded.
type Host struct {
	Name      string `json:"name"`
	OS        string `json:"os,omitempty"` // PRETTY_NAME of os-release
	Kernel    string `json:"kernel"`       // uname -r
	KernelVer string `json:"kernel_version,omitempty"`
	Machine   string `json:"machine"`
	CPUs      int    `json:"cpus"` // possible CPUs
	PageSize  int    `json:"page_size"`
	BootID    string `json:"boot_id,omitempty"`
	ByteOrder string `json:"byte_order"`
}

// Cost is what recording cost, as measured by the recorder itself.
type Cost struct {
	UserNS      int64  `json:"user_ns"` // the recorder's CPU time in user mode
	SystemNS    int64  `json:"system_ns"`
	MaxRSS      int64  `json:"max_rss_bytes"`
	ProgramNS   int64  `json:"program_ns"`   // run time of the BPF programs; -1: the kernel did not count it
	ProgramRuns int64  `json:"program_runs"` // -1: not counted
	Note        string `json:"note,omitempty"`
}

// Tool is the build that wrote a capture.
type Tool struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go,omitempty"`
	Platform string `json:"platform,omitempty"`
}

// Manifest describes a capture as a whole. Ended false means that the recording is still running or ended badly.
type Manifest struct {
	Major       int      `json:"format_major"`
	Minor       int      `json:"format_minor"`
	ID          string   `json:"id"` // random, hex
	Tool        Tool     `json:"tool"`
	Host        Host     `json:"host"`
	Start       int64    `json:"start"` // boot clock, ns: all probes in place
	End         int64    `json:"end,omitempty"`
	Ended       bool     `json:"ended"`
	EndReason   string   `json:"end_reason,omitempty"` // command exited, duration, signal, max-size, disk full, ...
	Command     []string `json:"command"`              // the recorder's command line
	Targets     []string `json:"targets"`              // in words: command make, pid 42 (nginx) with children, system-wide
	Probes      string   `json:"probes"`               // probe text, kits included
	FlushNS     int64    `json:"flush_ns"`             // how often the capture is brought up to date
	Flushed     int64    `json:"flushed"`              // boot clock, ns: everything attempted before it is in the capture or in the losses
	RecorderPID uint32   `json:"recorder_pid"`
	Cost        Cost     `json:"cost"`
	ExitStatus  *int     `json:"exit_status,omitempty"` // of the recorded command
}

// ClockSample ties the host's clocks together at one moment, ns each. Uncertainty is half the time the reading took.
type ClockSample struct {
	Boot        int64 `json:"boot"`
	Mono        int64 `json:"mono"`
	Real        int64 `json:"real"` // since 1970 UTC
	Uncertainty int64 `json:"uncertainty"`
}

// LossReason says where events went missing.
type LossReason string

// The reasons.
const (
	LossBuffer       LossReason = "buffer"        // attempted in BPF, never seen by the recorder
	LossKernelMissed LossReason = "kernel_missed" // the kernel skipped the probe (nmissed, recursion_misses)
	LossDecode       LossReason = "decode"        // the recorder could not make sense of a record
	LossStore        LossReason = "store"         // the recorder could not write them (disk full, an I/O error)
	LossTail         LossReason = "tail"          // after the last flush of a recording that ended badly: how many is unknown
)

// Loss is events that a site made and the capture lacks.
type Loss struct {
	From   int64      `json:"from"` // boot clock, ns: the flush interval they were lost in
	To     int64      `json:"to"`
	Site   SiteID     `json:"site"`
	Count  uint64     `json:"count"`
	Reason LossReason `json:"reason"`
}

// SiteTotals is a site's ledger at the last flush: Attempted = Seen + Lost, exactly once the recording has ended.
type SiteTotals struct {
	Site          SiteID `json:"site"`
	Attempted     uint64 `json:"attempted"`
	Seen          uint64 `json:"seen"`
	Lost          uint64 `json:"lost"`
	StartedBefore uint64 `json:"started_before,omitempty"` // returns of calls that began before the recording: not loss
	MapFull       uint64 `json:"map_full,omitempty"`       // of Lost: no room to remember the entry
	Unread        uint64 `json:"unread,omitempty"`         // values that could not be read and are null
	Missed        int64  `json:"missed"`                   // runs that the kernel skipped; -1: not countable on that kernel
}

// SiteCount is how many rows of a segment are a site's.
type SiteCount struct {
	Site   SiteID `json:"site"`
	Rows   uint64 `json:"rows"`
	Errors uint64 `json:"errors,omitempty"` // rows with an errno
}

// Segment describes one file of events: one table's rows.
type Segment struct {
	ID      uint64      `json:"id"`
	Table   TableID     `json:"table"`
	File    string      `json:"file"` // below the capture, with forward slashes
	Rows    uint64      `json:"rows"`
	Bytes   uint64      `json:"bytes"` // flushed so far
	Batches uint32      `json:"batches"`
	MinTime int64       `json:"min_time"`
	MaxTime int64       `json:"max_time"`
	MaxEnd  int64       `json:"max_end"`           // the latest known end of a call; MaxTime for points
	Running uint64      `json:"running,omitempty"` // rows with EndRunning: calls that may reach to the end of the recording
	Sealed  bool        `json:"sealed"`
	Sites   []SiteCount `json:"sites"`
}

// LogLevel grades an entry of the recorder's log.
type LogLevel string

// The levels.
const (
	LogInfo  LogLevel = "info"
	LogWarn  LogLevel = "warning"
	LogError LogLevel = "error"
)

// LogEntry is a line of the recorder's own log: what attached, what did not and why.
type LogEntry struct {
	Time  int64    `json:"time"` // boot clock, ns
	Level LogLevel `json:"level"`
	Text  string   `json:"text"`
	Site  *SiteID  `json:"site,omitempty"`
}

// Damage is a part of a capture that cannot be read.
type Damage struct {
	File    string `json:"file"`
	Segment uint64 `json:"segment,omitempty"`
	Offset  int64  `json:"offset"`
	Length  int64  `json:"length,omitempty"` // 0: to the end, or not known
	From    int64  `json:"from,omitempty"`   // boot clock, ns, where known
	To      int64  `json:"to,omitempty"`
	Rows    uint64 `json:"rows,omitempty"` // rows that were there, where known
	Cause   string `json:"cause"`
}
