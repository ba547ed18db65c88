package analyze

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"probetape/analyze/report"
	"probetape/schemas"
)

// ledger is what the selection of some captures lacks: events lost by site, and what cannot be counted.
//
// A loss belongs to a flush interval. Where an interval reaches beyond the window, how many of its events were lost within the window is not
// known: all of them are counted, and the numbers say "up to". An event belongs to the interval in which it was sent: a call to that of its
// end.
type ledger struct {
	captures []*capture
	sites    [][]siteLoss // by capture and site
	causes   []report.Cause
	partial  bool // an interval with losses reaches beyond the window
	unknown  bool // something is missing of which nobody knows how much it is, or of which site
	from, to report.Time
}

type siteLoss struct{ lost, missed uint64 }

// causeText says in words what a reason of losses means.
var causeText = map[schemas.LossReason]string{
	schemas.LossBuffer:       "the recorder's buffers were full",
	schemas.LossKernelMissed: "the kernel skipped the probe",
	schemas.LossDecode:       "records could not be decoded",
	schemas.LossStore:        "the capture could not be written",
	schemas.LossTail:         "the recording ended badly: what came after its last flush is missing",
}

// newLedger makes the ledger. It is made after the replay, which may find damage.
func newLedger(captures []*capture) *ledger {
	l := &ledger{captures: captures, sites: make([][]siteLoss, len(captures))}
	for i, c := range captures {
		l.sites[i] = make([]siteLoss, len(c.sites))
		if !c.nothing {
			l.take(c, l.sites[i])
		}
	}
	return l
}

// take enters one capture.
func (l *ledger) take(c *capture, sites []siteLoss) {
	causes := map[schemas.LossReason]*report.Cause{}
	tail := false
	for _, loss := range c.Losses() {
		counted := loss.Reason != schemas.LossTail
		if loss.From >= c.to || loss.To <= c.from || counted && !c.wants(loss.Site) {
			continue
		}
		tail = tail || !counted
		l.unknown = l.unknown || !counted
		l.partial = l.partial || loss.From < c.from || loss.To > c.to
		cause := causes[loss.Reason]
		if cause == nil {
			cause = &report.Cause{Kind: string(loss.Reason), Capture: c.Name(), Known: counted, Text: causeText[loss.Reason]}
			if cause.Text == "" {
				cause.Text = "for a reason that this version does not know"
			}
			causes[loss.Reason] = cause
		}
		cause.From, cause.To = widen(cause.From, cause.To, c.utc(loss.From), c.utc(loss.To))
		l.from, l.to = widen(l.from, l.to, c.utc(loss.From), c.utc(loss.To))
		if !counted {
			continue
		}
		cause.Count += loss.Count
		if loss.Reason == schemas.LossKernelMissed {
			sites[loss.Site].missed += loss.Count
		} else {
			sites[loss.Site].lost += loss.Count
		}
	}
	if c.whole {
		l.takeTotals(c, sites, causes)
	}
	for _, cause := range causes {
		l.causes = append(l.causes, *cause)
	}
	if !c.manifest.Ended && !tail && c.to > c.manifest.Flushed {
		l.unknown = true
		l.causes = append(l.causes, report.Cause{
			Kind: "not_ended", Capture: c.Name(), From: c.utc(max(c.manifest.Flushed, c.manifest.Start)),
			Text: "the recording is still running, or ended badly: it is complete up to its last flush",
		})
	}
	l.takeDamage(c)
}

// takeTotals takes what the totals know beyond the losses told by interval. Totals cover the whole recording.
func (l *ledger) takeTotals(c *capture, sites []siteLoss, causes map[schemas.LossReason]*report.Cause) {
	var more, missed uint64
	for _, t := range c.Totals() {
		if !c.wants(t.Site) {
			continue
		}
		s := &sites[t.Site]
		if t.Lost > s.lost {
			more += t.Lost - s.lost
			s.lost = t.Lost
		}
		if t.Missed > 0 && uint64(t.Missed) > s.missed {
			missed += uint64(t.Missed) - s.missed
			s.missed = uint64(t.Missed)
		}
	}
	if more > 0 {
		l.causes = append(l.causes, report.Cause{Kind: "lost", Capture: c.Name(), Count: more, Known: true, Text: "lost at a time that the capture does not tell"})
	}
	if missed > 0 {
		cause := causes[schemas.LossKernelMissed]
		if cause == nil {
			cause = &report.Cause{Kind: string(schemas.LossKernelMissed), Capture: c.Name(), Known: true, Text: causeText[schemas.LossKernelMissed]}
			causes[schemas.LossKernelMissed] = cause
		}
		cause.Count += missed
	}
}

// maxDamage is how many damaged places of a capture are told one by one.
const maxDamage = 20

func (l *ledger) takeDamage(c *capture) {
	tables := map[uint64]schemas.TableID{}
	for _, s := range c.Segments() {
		tables[s.ID] = s.Table
	}
	told, more := 0, 0
	for _, d := range c.Damage() {
		if d.To > 0 && (d.From >= c.to || d.To < c.from) {
			continue
		}
		if t, ok := tables[d.Segment]; ok && d.Segment > 0 && !c.wantsTable(t) {
			continue
		}
		l.unknown = true
		if told++; told > maxDamage {
			more++
			continue
		}
		cause := report.Cause{Kind: "damage", Capture: c.Name(), Count: d.Rows, Known: d.Rows > 0, Text: fmt.Sprintf("%s cannot be read at offset %d: %s", d.File, d.Offset, d.Cause)}
		if d.To > 0 {
			cause.From, cause.To = c.utc(d.From), c.utc(d.To)
		}
		l.causes = append(l.causes, cause)
	}
	if more > 0 {
		l.causes = append(l.causes, report.Cause{Kind: "damage", Capture: c.Name(), Text: fmt.Sprintf("%d more places cannot be read", more)})
	}
}

// widen returns the span of two spans.
func widen(from, to, otherFrom, otherTo report.Time) (report.Time, report.Time) {
	if otherFrom.Known && (!from.Known || otherFrom.NS < from.NS) {
		from = otherFrom
	}
	if otherTo.Known && (!to.Known || otherTo.NS > to.NS) {
		to = otherTo
	}
	return from, to
}

// seenFunc returns how many events of a site are in the capture and the window, where an analysis knows it.
type seenFunc func(capture int, site schemas.SiteID) uint64

// completeness sums the ledger up. seen may be nil.
func (l *ledger) completeness(seen seenFunc) report.Completeness {
	r := report.Completeness{Reasons: slices.Clone(l.causes), LostFrom: l.from, LostTo: l.to}
	slices.SortStableFunc(r.Reasons, func(a, b report.Cause) int {
		return cmp.Or(cmp.Compare(a.Capture, b.Capture), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.From.NS, b.From.NS), cmp.Compare(a.Text, b.Text))
	})
	if r.Reasons == nil {
		r.Reasons = []report.Cause{}
	}
	type name struct{ table, site string }
	type sums struct{ lost, seen uint64 }
	bySite := map[name]*sums{}
	for i, c := range l.captures {
		for s := range l.sites[i] {
			loss := l.sites[i][s]
			r.Lost = addCount(r.Lost, loss.lost)
			r.Missed = addCount(r.Missed, loss.missed)
			key := name{c.tables[c.sites[s].Table].Name, c.labels[s]}
			at := bySite[key]
			if at == nil {
				at = &sums{}
				bySite[key] = at
			}
			at.lost = addCount(at.lost, loss.lost)
			if seen != nil {
				at.seen += seen(i, schemas.SiteID(s))
			}
		}
	}
	r.LostExact = !l.partial
	r.Incomplete = r.Lost > 0 || r.Missed > 0 || l.unknown
	for key, at := range bySite {
		if at.lost == 0 {
			continue
		}
		w := r.Worst
		if w == nil || at.lost > w.Lost || at.lost == w.Lost && cmp.Or(cmp.Compare(key.table, w.Table), cmp.Compare(key.site, w.Site)) < 0 {
			r.Worst = &report.Worst{Table: key.table, Site: key.site, Lost: at.lost}
			if seen != nil {
				n, all := at.seen, addCount(at.seen, at.lost)
				r.Worst.Seen, r.Worst.Attempted = &n, &all
			}
		}
	}
	return r
}

// addCount adds counts; a sum that does not fit is math.MaxUint64, which only a damaged capture has.
func addCount(a, b uint64) uint64 {
	if s := a + b; s >= a {
		return s
	}
	return math.MaxUint64
}

// losses sums the ledger up by the keys that follow from a site; rows find theirs by the same keys.
type losses struct {
	l     *ledger
	keys  []key
	exact bool // every lost event of a row's sites belongs to the row
	sums  map[string]*groupLoss
}

type groupLoss struct {
	values []report.Value
	siteLoss
}

func (l *ledger) byKeys(keys []key) *losses {
	r := &losses{l: l, keys: keys, exact: ofSiteOnly(keys) && !l.partial, sums: map[string]*groupLoss{}}
	for i, c := range l.captures {
		for s, loss := range l.sites[i] {
			if loss == (siteLoss{}) {
				continue
			}
			values := siteKeyValues(c, schemas.SiteID(s), keys)
			code := string(encodeValues(nil, values))
			at := r.sums[code]
			if at == nil {
				at = &groupLoss{values: values}
				r.sums[code] = at
			}
			at.lost, at.missed = addCount(at.lost, loss.lost), addCount(at.missed, loss.missed)
		}
	}
	return r
}

// of returns the loss of a row with these values of the keys.
func (r *losses) of(values []report.Value) report.Loss {
	site := make([]report.Value, len(values))
	for i, k := range r.keys {
		if k.kind.ofSite() {
			site[i] = values[i]
		}
	}
	loss := report.Loss{LostExact: r.exact, Incomplete: r.l.unknown}
	if at := r.sums[string(encodeValues(nil, site))]; at != nil {
		loss.Lost, loss.Missed = at.lost, at.missed
		loss.Incomplete = loss.Incomplete || at.lost > 0 || at.missed > 0
	}
	return loss
}
