package analyze

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"probetape/analyze/agg"
	"probetape/analyze/pair"
	"probetape/analyze/report"
	"probetape/schemas"
)

// defaultPairKey is what belongs together where nothing else is said.
const defaultPairKey = "tid"

// pairLatency gives the distribution of the time from the events of one point table to those of another.
//
//  1. Select the two tables, which are in every capture by the same names.
//  2. Read their rows in the order of time, capture by capture: a pair never spans hosts.
//  3. A start opens its key, an end closes it; the pairer counts what finds no partner, and why.
//  4. A pair's duration goes to its start's group.
func pairLatency(ctx context.Context, sources []Source, opts LatencyOptions) (*report.Latency, error) {
	if opts.Start == "" || opts.End == "" {
		return nil, wrongUse("--start issue --end complete", "a start and an end make a pair: one of them is missing")
	}
	if opts.Start == opts.End {
		return nil, wrongUse("--start and --end name two tables", "pairing table %q with itself", opts.Start)
	}
	opts.Tables = []string{opts.Start, opts.End}
	captures, err := open(sources, &opts.Select)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(opts.By, captures)
	if err != nil {
		return nil, err
	}
	words := opts.Key
	if len(words) == 0 {
		words = []string{defaultPairKey}
	}
	result := newGroups[latencyCell](keys)
	pairing := &report.Pairing{Start: opts.Start, End: opts.End, Key: words}
	for _, c := range captures {
		p, err := newPairReplay(c, &opts, words, keys)
		if err != nil {
			return nil, err
		}
		if err := p.run(ctx, result, pairing); err != nil {
			return nil, err
		}
	}
	l := newLedger(captures)
	r := &report.Latency{
		Head: report.Head{
			Schema: SchemaLatency, Captures: reportCaptures(captures), Window: reportWindow(captures),
			Completeness: l.completeness(nil), Notes: keyNotes(keys, captures),
		},
		By: keyNames(keys), Pairs: pairing, Error: agg.RelativeError,
	}
	latencyRows(r, result, l, &opts)
	return r, nil
}

// pairReplay pairs the events of one capture.
type pairReplay struct {
	c          *capture
	start, end schemas.TableID
	key        []pairField
	fields     []string
	base       schemas.BaseColumns
	pairer     *pair.Pairer
	g          *grouper
	room       agg.Room
	cells      []latencyCell // by the slot of the start's group
	one        schemas.Batch // scratch: a row by itself
	texts      map[string]uint64
	nulls      [2]uint64
}

// pairField is a part of the key: a field of both tables, or one that every row has.
type pairField struct {
	start, end int // columns; -1: kind
	kind       keyKind
}

func newPairReplay(c *capture, opts *LatencyOptions, words []string, keys []key) (*pairReplay, error) {
	p := &pairReplay{c: c, room: agg.Room{Dense: denseHistograms}, texts: map[string]uint64{}}
	var err error
	if p.start, err = c.pointTable(opts.Start); err != nil {
		return nil, err
	}
	if p.end, err = c.pointTable(opts.End); err != nil {
		return nil, err
	}
	if err := p.parseKey(words); err != nil {
		return nil, err
	}
	base, fields := needs(keys)
	p.base = base | schemas.ColSite | schemas.ColCPU | schemas.ColTask
	p.fields = append(p.fields, fields...)
	shared, err := newClasses(c, keys)
	if err != nil {
		return nil, err
	}
	if p.g, err = shared.grouper(); err != nil {
		return nil, err
	}
	var losses []pair.Interval
	for _, l := range c.Losses() {
		t := schemas.TableID(0)
		if l.Reason != schemas.LossTail {
			t = c.sites[l.Site].Table
		}
		if l.Reason == schemas.LossTail || t == p.start || t == p.end {
			losses = append(losses, pair.Interval{From: l.From, To: l.To})
		}
	}
	for _, d := range c.Damage() {
		if d.To > d.From {
			losses = append(losses, pair.Interval{From: d.From, To: d.To})
		}
	}
	p.pairer = pair.New(losses, 0)
	return p, nil
}

// pointTable finds a table by its name.
func (c *capture) pointTable(name string) (schemas.TableID, error) {
	var points []string
	for i := range c.tables {
		t := &c.tables[i]
		if t.Name == name && !t.Call {
			return t.ID, nil
		}
		if t.Name == name {
			return 0, wrongUse("its rows have durations already: probetape analyze latency --table "+name, "table %q has calls, and pairs are made of events", name)
		}
		if !t.Call {
			points = append(points, t.Name)
		}
	}
	slices.Sort(points)
	return 0, &UnknownNameError{What: "table", Name: name, Known: points}
}

// parseKey reads the key: fields of both tables, a=b where they are called differently, or tid, pid and cpu.
func (p *pairReplay) parseKey(words []string) error {
	if len(words) > pair.MaxFields {
		return wrongUse(fmt.Sprintf("up to %d fields make a key", pair.MaxFields), "pairing by %d fields", len(words))
	}
	start, end := &p.c.tables[p.start], &p.c.tables[p.end]
	for _, word := range words {
		left, right, found := strings.Cut(word, "=")
		if !found {
			right = left
		}
		f := pairField{start: start.FieldIndex(left), end: end.FieldIndex(right)}
		if f.start < 0 && f.end < 0 && left == right {
			switch kind := named[left]; kind {
			case keyTID, keyPID, keyCPU:
				f.kind = kind
				p.key = append(p.key, f)
				continue
			}
		}
		for _, side := range []struct {
			at    int
			name  string
			table *schemas.Table
		}{{f.start, left, start}, {f.end, right, end}} {
			if side.at >= 0 {
				continue
			}
			known := []string{"cpu", "pid", "tid"}
			for _, f := range side.table.Fields {
				known = append(known, f.Name)
			}
			slices.Sort(known)
			return &UnknownNameError{What: "field of table " + side.table.Name, Name: side.name, Known: known}
		}
		if start.Fields[f.start].Type.Text() != end.Fields[f.end].Type.Text() {
			return wrongUse("a key compares numbers with numbers, and texts with texts", "pairing %s of %s with %s of %s", left, start.Name, right, end.Name)
		}
		p.key = append(p.key, f)
		p.fields = append(p.fields, left, right)
	}
	return nil
}

// run replays the capture.
func (p *pairReplay) run(ctx context.Context, result *groups[latencyCell], pairing *report.Pairing) error {
	order, err := newOrdered([]*capture{p.c}, p.base, p.fields)
	if err != nil {
		return err
	}
	for r, err := range order.each(ctx) {
		if err != nil {
			return err
		}
		if err := p.take(r); err != nil {
			return err
		}
	}
	counts := p.pairer.Close(min(p.c.to, p.c.ends), func(slot uint32) {
		p.grow()
		p.cells[slot].unfinished++
	})
	pairing.Starts += counts.Starts + p.nulls[0]
	pairing.Ends += counts.Ends + p.nulls[1]
	pairing.Matched += counts.Matched
	for _, n := range []struct {
		into *uint64
		by   pair.Reason
	}{
		{&pairing.StartOpen, pair.StartOpen}, {&pairing.StartSuperseded, pair.StartSuperseded}, {&pairing.StartLost, pair.StartLost},
		{&pairing.StartNoRoom, pair.StartNoRoom}, {&pairing.EndBefore, pair.EndBefore}, {&pairing.EndLost, pair.EndLost},
		{&pairing.EndUnmatched, pair.EndUnmatched}, {&pairing.EndNoRoom, pair.EndNoRoom},
	} {
		*n.into += counts.Unmatched[n.by]
	}
	pairing.StartNull += p.nulls[0]
	pairing.EndNull += p.nulls[1]
	for slot := range p.cells {
		cell := &p.cells[slot]
		if cell.seen() == 0 {
			continue
		}
		values := p.g.values(uint32(slot))
		at, err := result.at(values)
		if err != nil {
			return err
		}
		at.sum.merge(cell)
	}
	return nil
}

func (p *pairReplay) grow() {
	for len(p.cells) < p.g.len() {
		p.cells = append(p.cells, latencyCell{})
	}
}

// take takes one event.
func (p *pairReplay) take(r orderedRow) error {
	b, i := r.batch, int(r.row)
	isEnd := b.Table.ID == p.end
	k, ok, err := p.keyOf(b, i, isEnd)
	if err != nil {
		return err
	}
	if !ok {
		if isEnd {
			p.nulls[1]++
		} else {
			p.nulls[0]++
		}
		return nil
	}
	if isEnd {
		duration, slot, paired, closes := p.pairer.End(k, b.Time[i])
		p.grow()
		switch {
		case paired:
			p.cells[slot].hist.Record(duration, &p.room)
		case closes:
			p.cells[slot].unfinished++
		}
		return nil
	}
	slot := uint32(b.Site[i])
	if !p.g.bySite() {
		p.one.Reset(b.Table)
		p.one.AppendRows(b, []int32{int32(i)})
		slots, err := p.g.slotsOf(&p.one)
		if err != nil {
			return err
		}
		slot = slots[0]
	}
	if left, superseded := p.pairer.Start(k, b.Time[i], slot); superseded {
		p.grow()
		p.cells[left].unfinished++
	}
	return nil
}

// keyOf returns the key of row i; not ok where a part of it could not be read.
func (p *pairReplay) keyOf(b *schemas.Batch, i int, isEnd bool) (k pair.Key, ok bool, err error) {
	for n, f := range p.key {
		at := f.start
		if isEnd {
			at = f.end
		}
		if at < 0 {
			v, ok := p.ofRow(f.kind, b, i)
			if !ok {
				return k, false, nil
			}
			k[n] = v
			continue
		}
		col := &b.Columns[at]
		if !present(col) || col.Null.Get(i) || col.Cut.Get(i) {
			return k, false, nil // of a text that was cut nobody knows whether it is equal
		}
		if !b.Table.Fields[at].Type.Text() {
			k[n] = uint64(col.Ints[i])
			continue
		}
		number, err := p.text(col.Bytes(i))
		if err != nil {
			return k, false, err
		}
		k[n] = number
	}
	return k, true, nil
}

func (p *pairReplay) ofRow(kind keyKind, b *schemas.Batch, i int) (uint64, bool) {
	if kind == keyCPU {
		return uint64(b.CPU[i]), true
	}
	t := p.c.taskTable.at(b.Task[i])
	if t == nil {
		return 0, false
	}
	if kind == keyPID {
		return uint64(t.PID), true
	}
	return uint64(t.TID), true
}

// maxPairTexts bounds how many different texts keys are made of: each is remembered.
const maxPairTexts = 1 << 20

// text numbers a text.
func (p *pairReplay) text(b []byte) (uint64, error) {
	if n, ok := p.texts[string(b)]; ok {
		return n, nil
	}
	if len(p.texts) >= maxPairTexts {
		return 0, wrongUse("pair by numbers, or choose a shorter span with --from and --to", "pairing by more than %d different texts", maxPairTexts)
	}
	n := uint64(len(p.texts))
	p.texts[string(b)] = n
	return n, nil
}
