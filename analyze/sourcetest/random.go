package sourcetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"probetape/schemas"
)

// Epoch is the UTC time, in ns since 1970, of boot time 0 in the captures that this package makes: 2026-03-01T12:00:00Z.
const Epoch = int64(1772366400e9)

// Start and Length are when recordings of this package begin, on the boot clock, and how long they take.
const (
	Start  = int64(100e9)
	Length = int64(60e9)
)

// New makes an empty capture that ended in good order.
func New(name string) *Capture {
	c := &Capture{CaptureName: name}
	c.Man = schemas.Manifest{
		Major: schemas.FormatMajor, Minor: schemas.FormatMinor, ID: "00112233445566778899aabbccddeeff",
		Tool:  schemas.Tool{Version: "0.1.0", Commit: "abcdef", Go: "go1.26", Platform: "linux/amd64"},
		Host:  schemas.Host{Name: "web-1", OS: "Debian GNU/Linux 12 (bookworm)", Kernel: "6.1.0-18-cloud-amd64", Machine: "x86_64", CPUs: 4, PageSize: 4096, ByteOrder: "little"},
		Start: Start, End: Start + Length, Ended: true, EndReason: "duration",
		Command: []string{"probetape", "record", "-p", "4242", "-d", "60s"}, Targets: []string{"pid 4242 (nginx) with children"},
		FlushNS: 1e9, Flushed: Start + Length, RecorderPID: 999,
		Cost: schemas.Cost{UserNS: 300e6, SystemNS: 200e6, MaxRSS: 20 << 20, ProgramNS: 50e6, ProgramRuns: 100000},
	}
	for boot := Start; boot <= Start+Length; boot += 10e9 {
		c.ClockList = append(c.ClockList, schemas.ClockSample{Boot: boot, Mono: boot, Real: Epoch + boot, Uncertainty: 500})
	}
	return c
}

// Syscalls adds the table of the kit syscalls, thinned to three fields, with some sites, and returns those.
func (c *Capture) Syscalls(names ...string) []schemas.SiteID {
	t := c.Table(schemas.Table{Name: "syscall", Call: true, Kit: "syscalls", Fields: []schemas.Field{
		{Name: "arg0", Type: schemas.TypeU64, Display: schemas.DisplayHex},
		{Name: "path", Type: schemas.TypeString, MaxLen: 64},
		{Name: "retval", Type: schemas.TypeI64, Display: schemas.DisplayErrno, AtExit: true},
	}})
	ids := make([]schemas.SiteID, len(names))
	for i, name := range names {
		s := schemas.Site{Table: t, Kind: schemas.KindSyscall, Name: name, ABI: schemas.ABIx8664, Number: int32(i), Mechanism: "raw_tracepoint"}
		if i386, ok := strings.CutSuffix(name, "@i386"); ok {
			s.Name, s.ABI = i386, schemas.ABIi386
		}
		ids[i] = c.Site(s)
	}
	return ids
}

// Random makes a capture of n rows: system calls of all ends, and two point tables whose events belong together. What it lost is in its
// losses and totals.
func Random(name string, r *rand.Rand, n int) *Capture {
	c := New(name)
	c.BatchRows, c.SegmentBatches = 1+r.IntN(300), 1+r.IntN(5)
	sites := c.Syscalls("openat", "read", "epoll_wait", "getppid", "openat@i386")
	issue := c.Table(schemas.Table{Name: "issue", Fields: []schemas.Field{
		{Name: "dev", Type: schemas.TypeU32}, {Name: "sector", Type: schemas.TypeU64}, {Name: "rwbs", Type: schemas.TypeString, MaxLen: 8},
	}})
	done := c.Table(schemas.Table{Name: "complete", Fields: []schemas.Field{
		{Name: "dev", Type: schemas.TypeU32}, {Name: "sector", Type: schemas.TypeU64}, {Name: "error", Type: schemas.TypeI32, Display: schemas.DisplayErrno},
	}})
	issued := c.Site(schemas.Site{Table: issue, Kind: schemas.KindTracepoint, Category: "block", Name: "block_rq_issue"})
	completed := c.Site(schemas.Site{Table: done, Kind: schemas.KindTracepoint, Category: "block", Name: "block_rq_complete"})

	for i := range 12 {
		t := schemas.Task{PID: uint32(4242 + i/3), TID: uint32(4242 + i), ParentPID: 4000, Start: Start - 5e9, UID: uint32(1000 + i%2), Target: true}
		t.Names = []schemas.TaskName{{From: Start - 5e9, Comm: fmt.Sprintf("worker%d", i%4), Exe: "/usr/bin/worker"}}
		if i%3 == 0 {
			t.Names = append(t.Names, schemas.TaskName{From: Start + Length/2, Comm: "renamed"})
		}
		if i%5 == 0 {
			t.Cgroup = "/system.slice/worker.service"
			t.Exit = Start + Length*3/4
		}
		c.Task(t)
	}

	totals := make([]schemas.SiteTotals, len(c.SiteList))
	now := Start
	type request struct{ dev, sector int64 }
	var open []request
	for range n {
		now += int64(r.ExpFloat64() * float64(Length) / float64(n+1))
		now = min(now, Start+Length-1)
		row := Row{CPU: uint16(r.IntN(4)), Task: schemas.TaskID(r.IntN(13)), Time: now}
		if row.Task == 12 {
			row.Task = schemas.NoTask
		}
		switch r.IntN(10) {
		case 0:
			q := request{dev: int64(8 << 20), sector: int64(r.IntN(1 << 20))}
			open = append(open, q)
			row.Site, row.Fields = issued, []any{q.dev, q.sector, "RS"}
		case 1:
			q := request{dev: int64(8 << 20), sector: int64(r.IntN(1 << 20))}
			if len(open) > 0 && r.IntN(10) > 0 {
				at := r.IntN(len(open))
				q = open[at]
				open = append(open[:at], open[at+1:]...)
			}
			row.Site, row.Fields = completed, []any{q.dev, q.sector, int64(-5 * (r.IntN(20) / 19))}
		default:
			row.Site = sites[r.IntN(len(sites))]
			call(r, &row, now)
		}
		c.Append(row)
		totals[row.Site].Seen++
	}
	for i := range totals {
		totals[i].Site = schemas.SiteID(i)
		if r.IntN(3) == 0 {
			at := Start + int64(r.IntN(59))*1e9
			lost := uint64(1 + r.IntN(100))
			c.LossList = append(c.LossList, schemas.Loss{From: at, To: at + 1e9, Site: schemas.SiteID(i), Count: lost, Reason: schemas.LossBuffer})
			totals[i].Lost = lost
		}
		totals[i].Attempted = totals[i].Seen + totals[i].Lost
	}
	c.TotalList = totals
	return c
}

// call fills in a call that was written at a time: when it ended.
func call(r *rand.Rand, row *Row, now int64) {
	path := any(fmt.Sprintf("/etc/file%d", r.IntN(20)))
	switch r.IntN(20) {
	case 0:
		path = nil
	case 1:
		path = Cut("/very/long/path")
	case 2:
		path = "bad\xffutf8\x1b[31m"
	}
	row.Duration = min(int64(math.Exp(r.NormFloat64()*2+8)), now-Start)
	row.Time = now - row.Duration
	retval := any(int64(r.IntN(1000)))
	switch r.IntN(30) {
	case 0:
		row.End, row.Duration, retval = schemas.EndRunning, 0, nil
	case 1:
		row.End, row.Duration, retval = schemas.EndThreadExited, 0, nil
	case 2:
		row.End, row.Duration, row.Errno, retval = schemas.EndDenied, 0, 1, int64(-1)
	case 3, 4, 5:
		row.Errno = []uint16{2, 11, 512}[r.IntN(3)]
		retval = -int64(row.Errno)
	}
	row.Fields = []any{int64(r.IntN(8)), path, retval}
}
