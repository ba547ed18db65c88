package catalog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"probetape/schemas"
)

// hour is an hour of a busy recording, as the catalogue sees it: 64 tables of 6 sites, all of which make events all the time; a flush a second;
// segments that end each minute, and are sealed half a minute later; 10 tasks a second that begin, take another name, and end 3 seconds
// later; a clock sample each 10 seconds; and, each second, losses at so many of the sites.
type hour struct {
	db       *DB
	encoder  *Encoder
	own      *Encoder // as the flusher of the store has
	r        *rand.Rand
	losing   int
	segments []schemas.Segment
	totals   []schemas.SiteTotals
	spare    *Changes
}

const (
	hourTables = 64
	hourSites  = 6
)

func newHour(b *testing.B, losing int) *hour {
	db, _ := newDB(b)
	h := &hour{db: db, encoder: NewEncoder(0), own: NewEncoder(1 << 63), r: rand.New(rand.NewPCG(1, 1)), losing: losing}
	var tables []schemas.Table
	var sites []schemas.Site
	for i := range hourTables {
		tables = append(tables, schemas.Table{ID: schemas.TableID(i), Name: fmt.Sprint("table", i), Source: "syscall:* /duration > 10ms/ { fd = args.fd }", Call: true})
		for n := range hourSites {
			sites = append(sites, schemas.Site{ID: schemas.SiteID(len(sites)), Table: schemas.TableID(i), Kind: schemas.KindSyscall, Name: fmt.Sprint("site", n), ABI: schemas.ABIx8664, Mechanism: "raw_tracepoint"})
		}
	}
	h.segments = make([]schemas.Segment, hourTables)
	h.totals = make([]schemas.SiteTotals, len(sites))
	if err := errors.Join(h.encoder.SetFormat(1, 0), h.encoder.AddTables(tables), h.encoder.SetSites(sites), h.commit()); err != nil {
		b.Fatal(err)
	}
	return h
}

func (h *hour) commit() error {
	c := h.encoder.Take(h.spare)
	h.spare = c
	return h.db.Commit(c, h.own.Take(nil))
}

// second is one flush.
func (h *hour) second(s int) error {
	now := int64(s) * 1e9
	var errs []error
	for i := range h.segments {
		g := &h.segments[i]
		if s%60 == 0 {
			*g = schemas.Segment{ID: uint64(s/60*hourTables + i), Table: schemas.TableID(i), File: fmt.Sprintf("events/table%d-%06d.arrows", i, s/60*hourTables+i), MinTime: now}
			for n := range hourSites {
				g.Sites = append(g.Sites, schemas.SiteCount{Site: schemas.SiteID(i*hourSites + n)})
			}
		}
		for n := range g.Sites {
			rows := uint64(h.r.IntN(5000))
			g.Sites[n].Rows += rows
			g.Sites[n].Errors += rows / 100
			g.Rows += rows
			t := &h.totals[g.Sites[n].Site]
			t.Site, t.Missed = g.Sites[n].Site, -1
			t.Attempted += rows
			t.Seen += rows
		}
		g.Batches++
		g.Bytes += 300000
		g.MaxTime, g.MaxEnd = now, now+1e6
		errs = append(errs, h.own.SetSegment(g))
		if s%60 == 30 && s > 60 {
			sealed := *g
			sealed.ID -= hourTables
			sealed.File, sealed.Sealed = fmt.Sprintf("events/table%d-%06d.sealed.arrows", i, sealed.ID), true
			errs = append(errs, h.own.SetSegment(&sealed))
		}
	}
	var losses []schemas.Loss
	for i := range h.losing {
		n := uint64(h.r.IntN(1000))
		h.totals[i].Attempted += n
		h.totals[i].Lost += n
		losses = append(losses, schemas.Loss{From: now - 1e9, To: now, Site: schemas.SiteID(i), Count: n, Reason: schemas.LossBuffer})
	}
	for i := range 10 {
		id := s*10 + i
		task := schemas.Task{ID: schemas.TaskID(id), PID: uint32(id), TID: uint32(id), ParentPID: 1000, UID: 1000, Start: now + int64(i), Cgroup: "/user.slice/session-3.scope"}
		task.Names = []schemas.TaskName{{From: now, Comm: "make"}, {From: now + 5e5, Comm: fmt.Sprint("tool", id%50), Exe: fmt.Sprint("/usr/bin/tool", id%50)}}
		errs = append(errs, h.encoder.AddTasks([]schemas.Task{task}))
		if id -= 30; id >= 0 {
			task.ID, task.PID, task.TID, task.Start, task.Exit = schemas.TaskID(id), uint32(id), uint32(id), now-3e9, now
			errs = append(errs, h.encoder.AddTasks([]schemas.Task{task}))
		}
	}
	if s%10 == 0 {
		errs = append(errs, h.encoder.AddClock(schemas.ClockSample{Boot: now, Mono: now, Real: now + 1.8e18, Uncertainty: 100}))
	}
	m := schemas.Manifest{Major: 1, ID: "00112233445566778899aabbccddeeff", FlushNS: 1e9, Flushed: now, Command: os.Args[:1], Probes: "syscall:*"}
	errs = append(errs, h.encoder.AddLosses(losses), h.encoder.SetTotals(h.totals), h.encoder.SetManifest(&m), h.commit())
	return errors.Join(errs...)
}

// BenchmarkGrowth writes an hour of commits at each turn, and reports how large the catalogue gets and how long a commit takes.
func BenchmarkGrowth(b *testing.B) {
	for _, losing := range []int{0, 64} {
		b.Run(fmt.Sprintf("losing=%d", losing), func(b *testing.B) {
			for range b.N {
				h := newHour(b, losing)
				before := h.db.Bytes()
				for s := range 3600 {
					if err := h.second(s); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(h.db.Bytes()-before)/1e6, "MB/hour")
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/3600, "µs/commit")
		})
	}
}
