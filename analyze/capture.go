package analyze

import (
	"fmt"
	"math"
	"path"
	"slices"

	"probetape/analyze/report"
	"probetape/schemas"
)

// capture is a source as an analysis sees it: checked, with its labels, its clock and the part that was selected.
type capture struct {
	Source
	manifest *schemas.Manifest
	tables   []schemas.Table
	sites    []schemas.Site
	labels   []string // of sites
	clock    timeline
	ends     int64 // boot clock: everything attempted before it is in the capture or in the losses

	// The selection.
	selected   []bool // sites; nil: all
	tableIDs   []schemas.TableID
	from, to   int64 // boot clock, [from, to); to math.MaxInt64: no end; from math.MinInt64: no start
	whole      bool
	nothing    bool // the window does not touch the capture
	taskTable  *taskTable
	stackTable *stackTable
}

// open checks sources and applies a selection to them.
func open(sources []Source, sel *Select) ([]*capture, error) {
	if len(sources) == 0 {
		return nil, wrongUse("probetape analyze summary CAPTURE", "no capture to analyse")
	}
	captures := make([]*capture, len(sources))
	for i, s := range sources {
		c := &capture{Source: s, manifest: s.Manifest(), tables: s.Tables(), sites: s.Sites()}
		if err := c.check(); err != nil {
			return nil, err
		}
		c.labels = siteLabels(c.tables, c.sites)
		c.clock = newTimeline(s.Clock())
		c.ends = c.lastKnown()
		captures[i] = c
	}
	if err := selectNames(captures, sel); err != nil {
		return nil, err
	}
	return captures, selectWindow(captures, sel)
}

// check refuses catalogues whose numbers point nowhere, so that nothing else has to look.
func (c *capture) check() error {
	invalid := func(format string, args ...any) error {
		return &InvalidError{Capture: c.Name(), Msg: fmt.Sprintf(format, args...)}
	}
	if c.manifest == nil {
		return invalid("it has no manifest")
	}
	for i := range c.tables {
		if c.tables[i].ID != schemas.TableID(i) {
			return invalid("table %d has number %d", i, c.tables[i].ID)
		}
	}
	for i := range c.sites {
		s := &c.sites[i]
		if s.ID != schemas.SiteID(i) || int(s.Table) >= len(c.tables) {
			return invalid("site %d has number %d and is of table %d of %d", i, s.ID, s.Table, len(c.tables))
		}
	}
	for _, s := range c.Segments() {
		if int(s.Table) >= len(c.tables) {
			return invalid("segment %d is of table %d of %d", s.ID, s.Table, len(c.tables))
		}
		for _, n := range s.Sites {
			if int(n.Site) >= len(c.sites) || c.sites[n.Site].Table != s.Table {
				return invalid("segment %d of table %d counts events of site %d", s.ID, s.Table, n.Site)
			}
		}
	}
	for i, l := range c.Losses() {
		if l.Reason != schemas.LossTail && int(l.Site) >= len(c.sites) {
			return invalid("loss %d is of site %d of %d", i, l.Site, len(c.sites))
		}
	}
	for i, t := range c.Totals() {
		if int(t.Site) >= len(c.sites) {
			return invalid("total %d is of site %d of %d", i, t.Site, len(c.sites))
		}
	}
	return nil
}

// lastKnown is the end of the recording, or of what is known of one that has not ended.
func (c *capture) lastKnown() int64 {
	if c.manifest.Ended {
		return c.manifest.End
	}
	last := max(c.manifest.Start, c.manifest.Flushed)
	for _, s := range c.Segments() {
		last = max(last, s.MaxTime)
	}
	return last
}

// utc returns a boot time of the capture for a report.
func (c *capture) utc(boot int64) report.Time {
	if !c.clock.known() {
		return report.Time{}
	}
	return report.At(c.clock.utc(boot))
}

// siteLabels names sites as outputs do: by their plain names. Sites of one table that would have the same name are told apart by their
// ABI, then by their module; the places of one function or USDT probe in one module share a name.
func siteLabels(tables []schemas.Table, sites []schemas.Site) []string {
	type name struct {
		table schemas.TableID
		text  string
	}
	labels := make([]string, len(sites))
	modules := map[name]string{}
	clash := map[name]bool{}
	for i, s := range sites {
		labels[i] = s.Name
		if s.ABI != schemas.ABINone && s.ABI != schemas.ABIx8664 {
			labels[i] += "@" + string(s.ABI)
		}
		key := name{s.Table, labels[i]}
		if m, ok := modules[key]; ok && m != s.Module {
			clash[key] = true
		}
		modules[key] = s.Module
	}
	for i, s := range sites {
		if clash[name{s.Table, labels[i]}] && s.Module != "" {
			labels[i] += "@" + path.Base(s.Module)
		}
	}
	return labels
}

// selectNames applies the selection's names of tables and sites.
func selectNames(captures []*capture, sel *Select) error {
	usedTable, usedSite := make([]bool, len(sel.Tables)), make([]bool, len(sel.Sites))
	tables, sites := map[string]bool{}, map[string]bool{}
	for _, c := range captures {
		match := make([]bool, len(c.tables))
		for i := range c.tables {
			ok, err := matchAny(sel.Tables, c.tables[i].Name, usedTable)
			if err != nil {
				return err
			}
			match[i] = ok
			tables[c.tables[i].Name] = true
		}
		c.selected = make([]bool, len(c.sites))
		all := true
		for i := range c.sites {
			ok, err := matchAny(sel.Sites, c.labels[i], usedSite)
			if err != nil {
				return err
			}
			c.selected[i] = ok && match[c.sites[i].Table]
			all = all && ok
			sites[c.labels[i]] = true
			if !ok && len(sel.Sites) > 0 {
				continue
			}
		}
		for i := range c.tables {
			if match[i] && (len(sel.Sites) == 0 || c.hasSelectedSite(schemas.TableID(i))) {
				c.tableIDs = append(c.tableIDs, schemas.TableID(i))
			}
		}
		if all && len(c.tableIDs) == len(c.tables) {
			c.selected = nil
		}
		c.nothing = len(c.tableIDs) == 0
	}
	for i, used := range usedTable {
		if !used {
			return &UnknownNameError{What: "table", Name: sel.Tables[i], Known: sortedNames(tables)}
		}
	}
	for i, used := range usedSite {
		if !used {
			return &UnknownNameError{What: "site", Name: sel.Sites[i], Known: sortedNames(sites)}
		}
	}
	return nil
}

func (c *capture) hasSelectedSite(t schemas.TableID) bool {
	for i := range c.sites {
		if c.sites[i].Table == t && c.selected[i] {
			return true
		}
	}
	return false
}

// matchAny reports whether a name matches any of the patterns, or there are none, and marks those that it matches.
func matchAny(patterns []string, name string, used []bool) (bool, error) {
	matched := len(patterns) == 0
	for i, p := range patterns {
		ok, err := path.Match(p, name)
		if err != nil {
			return false, wrongUse("* stands for any text, ? for one letter, [ab] for one of some", "pattern %q: %v", p, err)
		}
		if ok || p == name {
			matched, used[i] = true, true
		}
	}
	return matched, nil
}

// wants reports whether a site is selected.
func (c *capture) wants(s schemas.SiteID) bool { return c.selected == nil || c.selected[s] }

// wantsTable reports whether any site of a table is selected.
func (c *capture) wantsTable(t schemas.TableID) bool { return slices.Contains(c.tableIDs, t) }

// selectWindow applies the selection's window. Its bounds are found on the clock that the captures share, UTC, and then on each one's own.
func selectWindow(captures []*capture, sel *Select) error {
	s, err := common(captures)
	if err != nil {
		return err
	}
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if !sel.From.IsZero() {
		if from, err = sel.From.resolve(s); err != nil {
			return err
		}
	}
	if !sel.To.IsZero() {
		if to, err = sel.To.resolve(s); err != nil {
			return err
		}
	}
	if from >= to {
		return wrongUse("--from is before --to; +30s counts from the start, -30s from the end", "the window from %s to %s is empty", sel.From, sel.To)
	}
	for _, c := range captures {
		c.from, c.to = math.MinInt64, math.MaxInt64
		if !sel.From.IsZero() {
			c.from = c.clock.boot(from)
		}
		if !sel.To.IsZero() {
			c.to = c.clock.boot(to)
		}
		c.whole = sel.From.IsZero() && sel.To.IsZero()
		c.nothing = c.nothing || c.to <= 0 || c.from >= c.to
	}
	return nil
}

// common returns the span of all captures together, on the clock that they share.
func common(captures []*capture) (span, error) {
	s := span{start: math.MaxInt64, end: math.MinInt64, utc: true}
	for _, c := range captures {
		if !c.clock.known() {
			if len(captures) > 1 {
				return s, &InvalidError{Capture: c.Name(), Msg: "it holds no readings of its host's clock, so it cannot be laid beside other captures"}
			}
			s.utc = false
		}
		s.start = min(s.start, c.clock.utc(c.manifest.Start))
		s.end = max(s.end, c.clock.utc(c.ends))
	}
	return s, nil
}

// query returns the query for what is selected.
func (c *capture) query(base schemas.BaseColumns, fields []string) schemas.Query {
	q := schemas.Query{Tables: c.tableIDs, Base: base, Fields: fields}
	if len(c.tableIDs) == len(c.tables) {
		q.Tables = nil
	}
	if c.selected != nil {
		for i, ok := range c.selected {
			if ok {
				q.Sites = append(q.Sites, schemas.SiteID(i))
			}
		}
	}
	if c.from > 0 {
		q.From = c.from
	}
	if c.to != math.MaxInt64 {
		q.To = c.to
	}
	return q
}

// reportWindow describes the window of captures.
func reportWindow(captures []*capture) report.Window {
	var w report.Window
	from, to := int64(math.MaxInt64), int64(math.MinInt64)
	utc := true
	for _, c := range captures {
		from = min(from, c.clock.utc(max(c.from, c.manifest.Start)))
		to = max(to, c.clock.utc(min(c.to, c.ends)))
		utc = utc && c.clock.known()
		w.Whole = c.whole
	}
	if utc {
		w.From, w.To = report.At(from), report.At(to)
	}
	w.DurationNS = max(to-from, 0)
	return w
}

// reportCaptures names the captures of a report.
func reportCaptures(captures []*capture) []report.Capture {
	list := make([]report.Capture, len(captures))
	for i, c := range captures {
		m := c.manifest
		list[i] = report.Capture{
			Name: c.Name(), ID: m.ID, Host: m.Host.Name, Kernel: m.Host.Kernel,
			Start: c.utc(m.Start), End: c.utc(c.ends), Ended: m.Ended, EndReason: m.EndReason,
		}
	}
	return list
}
