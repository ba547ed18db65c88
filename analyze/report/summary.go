package report

// Summary is what there is to know about captures at first sight.
type Summary struct {
	Head
	Recordings []Recording   `json:"recordings"` // one for each capture
	Blocked    []BlockedTask `json:"blocked"`    // tasks that had not run since before the recording, then those in a call when it ended
	Unfinished []CallRow     `json:"unfinished"` // calls still running at the end, the oldest first
	Errors     []ErrorRow    `json:"errors"`
	Slowest    []CallRow     `json:"slowest"`
	Sites      []SiteTime    `json:"sites"` // time by site, without the waits
	Waits      []SiteTime    `json:"waits"` // time by site of calls that wait by design
	Points     []SiteTime    `json:"points"`

	BlockedMore    int `json:"blocked_more"`
	UnfinishedMore int `json:"unfinished_more"`
	ErrorsMore     int `json:"errors_more"`
	SitesMore      int `json:"sites_more"`
	WaitsMore      int `json:"waits_more"`
	PointsMore     int `json:"points_more"`
}

// Recording describes how a capture was made, and what that cost.
type Recording struct {
	Capture       string   `json:"capture"`
	Host          string   `json:"host"`
	OS            string   `json:"os"`
	Kernel        string   `json:"kernel"`
	Machine       string   `json:"machine"`
	CPUs          int      `json:"cpus"`
	Tool          string   `json:"tool"`
	Command       []string `json:"command"`
	Targets       []string `json:"targets"`
	Start         Time     `json:"start"`
	End           Time     `json:"end"`
	DurationNS    int64    `json:"duration_ns"`
	Ended         bool     `json:"ended"`
	EndReason     string   `json:"end_reason"`
	ExitStatus    *int     `json:"exit_status"`
	Events        uint64   `json:"events"`
	Bytes         uint64   `json:"bytes"` // of the segments
	StartedBefore uint64   `json:"started_before"`
	Unread        uint64   `json:"unread"`
	CostUserNS    int64    `json:"cost_user_ns"`
	CostSystemNS  int64    `json:"cost_system_ns"`
	CostShare     float64  `json:"cost_share"`      // of one CPU
	CostProgramNS *int64   `json:"cost_program_ns"` // nil: the kernel did not count it
	CostPerEvent  *float64 `json:"cost_per_event_ns"`
	CostRSSBytes  int64    `json:"cost_max_rss_bytes"`
	CostNote      string   `json:"cost_note"`
	EventsPerSec  float64  `json:"events_per_second"`
	BytesPerEvent *float64 `json:"bytes_per_event"`
}

// BlockedTask is what a task was doing in the kernel when the recording began or ended.
type BlockedTask struct {
	Capture string   `json:"capture"`
	Comm    string   `json:"comm"`
	PID     uint32   `json:"pid"`
	TID     uint32   `json:"tid"`
	Since   string   `json:"since"` // "before the recording" where it has not run since, else "at the start", "at the end"
	AgeNS   *int64   `json:"age_ns"`
	AtLeast bool     `json:"at_least"` // it is older than AgeNS: it began before the recording
	State   string   `json:"state"`
	Syscall string   `json:"syscall"`
	Args    []string `json:"args"`
	Wchan   string   `json:"wchan"`
	Stack   []string `json:"stack"` // kernel functions, innermost first
	Note    string   `json:"note"`
}

// CallRow is one call.
type CallRow struct {
	Capture    string
	Time       Time // its start
	Table      string
	Site       string
	Comm       string
	PID        uint32
	TID        uint32
	NoTask     bool
	DurationNS int64 // of a call still running: until the end of the recording
	Errno      string
	Fields     []Key
}

// ErrorRow counts one error of one site.
type ErrorRow struct {
	Table string  `json:"table"`
	Site  string  `json:"site"`
	Errno string  `json:"errno"`
	Text  string  `json:"text"` // what the error means
	Count uint64  `json:"count"`
	Of    uint64  `json:"of"` // the site's events
	Share float64 `json:"share"`
	Lost  uint64  `json:"lost"` // of the site
}

// SiteTime is what one site's calls took together.
type SiteTime struct {
	Table      string   `json:"table"`
	Site       string   `json:"site"`
	Count      uint64   `json:"count"`
	Errors     uint64   `json:"errors"`
	SumNS      int64    `json:"sum_ns"`
	MeanNS     *int64   `json:"mean_ns"`
	P99NS      *int64   `json:"p99_ns"`
	MaxNS      *int64   `json:"max_ns"`
	Share      *float64 `json:"share"` // of the time of the list it is in
	Unfinished uint64   `json:"unfinished"`
	Lost       uint64   `json:"lost"`
	Incomplete bool     `json:"incomplete"`
}
