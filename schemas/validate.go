package schemas

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a capture, beside MaxFields and MaxTextLen. A recorder keeps them; a reader refuses what is beyond them, so that what a stranger's capture makes it hold and do
// is bounded.
const (
	MaxTables     = 4096
	MaxEnumNames  = 1 << 16 // of a field
	MaxSites      = 1 << 20
	MaxName       = 4096           // bytes of a name: of a table, a field, a site, a file
	MaxTaskNames  = 1 << 16        // of one task
	MaxFrames     = 4096           // of a stack
	MaxTime       = int64(1) << 62 // ns, exclusive: sums and differences of times do not overflow
	MaxEventFiles = 1 << 20        // segments
	MaxFileBytes  = 1 << 32        // of a segment
)

// InvalidError is a value that no recorder writes.
type InvalidError struct {
	What  string // table 3, field "path" of table 3, ...
	Cause string
}

func (e *InvalidError) Error() string { return fmt.Sprintf("checking %s: %s", e.What, e.Cause) }

func invalid(what, cause string, args ...any) error {
	return &InvalidError{What: what, Cause: fmt.Sprintf(cause, args...)}
}

// printable reports whether a name can be shown as it is: valid UTF-8, not empty, no control characters, so that it moves no cursor.
func printable(name string) bool {
	return name != "" && len(name) <= MaxName && utf8.ValidString(name) && strings.IndexFunc(name, unicode.IsControl) < 0
}

// validTime reports whether a time is one that a clock can show.
func validTime(t int64) bool { return t >= 0 && t < MaxTime }

// ValidateManifest checks a manifest. A newer format is for the caller to refuse, before.
func ValidateManifest(m *Manifest) error {
	const what = "the manifest"
	switch {
	case !validTime(m.Start) || !validTime(m.End) || !validTime(m.Flushed):
		return invalid(what, "its times are %d to %d, flushed at %d", m.Start, m.End, m.Flushed)
	case m.Ended && m.End < m.Start:
		return invalid(what, "it ends at %d, before its start at %d", m.End, m.Start)
	case m.FlushNS < 0 || !validTime(m.FlushNS):
		return invalid(what, "it is flushed every %d ns", m.FlushNS)
	case len(m.ID) > 64 || strings.Trim(m.ID, "0123456789abcdef") != "":
		return invalid(what, "its id %.64q is not hexadecimal", m.ID)
	case m.Host.CPUs < 0 || m.Host.CPUs > 1<<16:
		return invalid(what, "its host has %d CPUs", m.Host.CPUs)
	}
	return nil
}

// ValidateTables checks a capture's tables.
func ValidateTables(tables []Table) error {
	if len(tables) > MaxTables {
		return invalid("the tables", "there are %d, more than %d", len(tables), MaxTables)
	}
	names := make(map[string]bool, len(tables))
	for i := range tables {
		t, what := &tables[i], fmt.Sprintf("table %d", i)
		switch {
		case t.ID != TableID(i):
			return invalid(what, "its id is %d", t.ID)
		case !printable(t.Name):
			return invalid(what, "%.64q cannot be its name", t.Name)
		case names[t.Name]:
			return invalid(what, "its name %q is another's too", t.Name)
		case len(t.Fields) > MaxFields:
			return invalid(what, "it has %d fields, more than %d", len(t.Fields), MaxFields)
		}
		names[t.Name] = true
		if err := validateFields(t); err != nil {
			return err
		}
	}
	return nil
}

func validateFields(t *Table) error {
	names := make(map[string]bool, len(t.Fields))
	for i := range t.Fields {
		f, what := &t.Fields[i], fmt.Sprintf("field %d of table %d", i, t.ID)
		switch {
		case !printable(f.Name):
			return invalid(what, "%.64q cannot be its name", f.Name)
		case names[f.Name]:
			return invalid(what, "its name %q is another's too", f.Name)
		case f.Type == 0 || f.Type >= typeEnd:
			return invalid(what, "it has no type")
		case f.MaxLen < 0 || f.MaxLen > MaxTextLen:
			return invalid(what, "its values have up to %d bytes, more than %d", f.MaxLen, MaxTextLen)
		case len(f.Enum) > MaxEnumNames:
			return invalid(what, "its enum has %d names, more than %d", len(f.Enum), MaxEnumNames)
		}
		names[f.Name] = true
	}
	return nil
}

// ValidateSites checks a capture's sites against its tables, which are valid.
func ValidateSites(sites []Site, tables []Table) error {
	if len(sites) > MaxSites {
		return invalid("the sites", "there are %d, more than %d", len(sites), MaxSites)
	}
	for i := range sites {
		s, what := &sites[i], fmt.Sprintf("site %d", i)
		switch {
		case s.ID != SiteID(i):
			return invalid(what, "its id is %d", s.ID)
		case int64(s.Table) >= int64(len(tables)):
			return invalid(what, "its table %d does not exist", s.Table)
		case !printable(s.Name):
			return invalid(what, "%.64q cannot be its name", s.Name)
		case s.Kind == KindNone || s.Kind >= kindEnd:
			return invalid(what, "it has no kind")
		case s.Kind.Call() != tables[s.Table].Call:
			return invalid(what, "a %s cannot be in table %d", s.Kind, s.Table)
		case len(s.Category) > MaxName || len(s.Module) > MaxName || len(s.Symbol) > MaxName || len(s.BuildID) > MaxName:
			return invalid(what, "a name of it is longer than %d bytes", MaxName)
		}
	}
	return nil
}

// ValidateTask checks a task.
func ValidateTask(t *Task) error {
	what := fmt.Sprintf("task %d", t.ID)
	switch {
	case t.ID == NoTask:
		return invalid(what, "its id stands for no task")
	case !validTime(t.Start) || !validTime(t.Exit):
		return invalid(what, "it lives from %d to %d", t.Start, t.Exit)
	case len(t.Cgroup) > MaxName:
		return invalid(what, "its cgroup's path is longer than %d bytes", MaxName)
	case len(t.Names) > MaxTaskNames:
		return invalid(what, "it has %d names, more than %d", len(t.Names), MaxTaskNames)
	}
	for i, n := range t.Names {
		if !validTime(n.From) || len(n.Comm) > MaxName || len(n.Exe) > MaxName {
			return invalid(what, "its name %d is not one", i)
		}
	}
	return nil
}

// ValidateStack checks a stack.
func ValidateStack(s *Stack) error {
	if len(s.Frames) > MaxFrames {
		return invalid(fmt.Sprintf("stack %d", s.ID), "it has %d frames, more than %d", len(s.Frames), MaxFrames)
	}
	return nil
}

// ValidateSymbol checks a symbol.
func ValidateSymbol(s *Symbol) error {
	if len(s.Name) > MaxName || len(s.Module) > MaxName || len(s.BuildID) > MaxName {
		return invalid(fmt.Sprintf("symbol at %#x", s.Address), "a name of it is longer than %d bytes", MaxName)
	}
	return nil
}

// ValidateSegment checks a segment's description against the capture's tables and sites, which are valid.
func ValidateSegment(s *Segment, tables []Table, sites []Site) error {
	what := fmt.Sprintf("segment %d", s.ID)
	if int64(s.Table) >= int64(len(tables)) {
		return invalid(what, "its table %d does not exist", s.Table)
	}
	if !ValidFile(s.File) {
		return invalid(what, "its file %.64q is not one below the capture", s.File)
	}
	if s.Rows > 0 && (!validTime(s.MinTime) || !validTime(s.MaxTime) || !validTime(s.MaxEnd) || s.MinTime > s.MaxTime) {
		return invalid(what, "its times are %d to %d, the latest end %d", s.MinTime, s.MaxTime, s.MaxEnd)
	}
	if s.Bytes > MaxFileBytes || s.Running > s.Rows || uint64(s.Batches) > s.Rows {
		return invalid(what, "it has %d bytes, %d batches and %d rows, %d of them running", s.Bytes, s.Batches, s.Rows, s.Running)
	}
	var rows uint64
	for i, c := range s.Sites {
		switch {
		case int64(c.Site) >= int64(len(sites)) || sites[c.Site].Table != s.Table:
			return invalid(what, "site %d is not one of table %d", c.Site, s.Table)
		case i > 0 && c.Site <= s.Sites[i-1].Site:
			return invalid(what, "site %d is not in order", c.Site)
		case c.Errors > c.Rows || c.Rows > s.Rows-rows:
			return invalid(what, "it has %d rows, %d of them errors, of site %d and %d in all", c.Rows, c.Errors, c.Site, s.Rows)
		}
		rows += c.Rows
	}
	if rows != s.Rows {
		return invalid(what, "its sites have %d rows of its %d", rows, s.Rows)
	}
	return nil
}

// ValidFile reports whether a file's name leads to a place below the capture on every system: forward slashes, no way up, no drive.
func ValidFile(name string) bool {
	return printable(name) && fs.ValidPath(name) && path.Clean(name) == name && name != "." && !strings.ContainsAny(name, `\:`)
}

// ValidateLoss checks a loss against the number of sites.
func ValidateLoss(l *Loss, sites int) error {
	switch {
	case int64(l.Site) >= int64(sites):
		return invalid("a loss", "its site %d does not exist", l.Site)
	case !validTime(l.From) || !validTime(l.To):
		return invalid("a loss", "its interval is %d to %d", l.From, l.To)
	case l.Reason == "" || len(l.Reason) > 64:
		return invalid("a loss", "its reason is %.64q", l.Reason)
	}
	return nil
}

// ValidateTotals checks a site's totals against the number of sites.
func ValidateTotals(t *SiteTotals, sites int) error {
	what := fmt.Sprintf("the totals of site %d", t.Site)
	switch {
	case int64(t.Site) >= int64(sites):
		return invalid(what, "it does not exist")
	case t.Attempted >= 1<<62 || t.Seen >= 1<<62 || t.Lost >= 1<<62:
		return invalid(what, "they are %d seen, %d lost of %d", t.Seen, t.Lost, t.Attempted)
	}
	return nil
}

// ValidateClock checks a clock sample.
func ValidateClock(c *ClockSample) error {
	if !validTime(c.Boot) || !validTime(c.Mono) || !validTime(c.Real) || !validTime(c.Uncertainty) {
		return invalid("a clock sample", "boot %d, monotonic %d, real %d, uncertainty %d", c.Boot, c.Mono, c.Real, c.Uncertainty)
	}
	return nil
}

// ValidateBlocked checks a row of what tasks wait for.
func ValidateBlocked(b *Blocked) error {
	if !validTime(b.Time) || !validTime(b.Since) || len(b.Args) > 16 || len(b.Stack) > MaxFrames {
		return invalid(fmt.Sprintf("what task %d waits for", b.Task), "at %d since %d, %d arguments, %d frames", b.Time, b.Since, len(b.Args), len(b.Stack))
	}
	return nil
}

// ValidateLog checks a line of the recorder's log against the number of sites.
func ValidateLog(e *LogEntry, sites int) error {
	if !validTime(e.Time) || (e.Site != nil && int64(*e.Site) >= int64(sites)) {
		return invalid("a line of the log", "at %d", e.Time)
	}
	return nil
}
