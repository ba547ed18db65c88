package segment

import (
	"math/rand/v2"

	"probetape/schemas"
)

// syscallsTable is the table of the kit of all system calls.
func syscallsTable() *schemas.Table {
	t := &schemas.Table{ID: 3, Name: "syscall", Call: true, Source: "syscall = syscall:* { ... }"}
	for _, name := range []string{"arg0", "arg1", "arg2", "arg3", "arg4", "arg5"} {
		t.Fields = append(t.Fields, schemas.Field{Name: name, Type: schemas.TypeU64, Display: schemas.DisplayHex})
	}
	t.Fields = append(t.Fields, schemas.Field{Name: "retval", Type: schemas.TypeI64, Display: schemas.DisplayErrno, AtExit: true})
	return t
}

// A traffic makes rows that look like those of a busy server: a dozen threads on four CPUs that read, write, wait and take locks.
type traffic struct {
	r    *rand.Rand
	time int64
}

func newTraffic() *traffic { return &traffic{rand.New(rand.NewPCG(1, 2)), 3_600_000_000_000} }

// Fill makes the batch one of n rows.
func (g *traffic) fill(b *schemas.Batch, t *schemas.Table, n int) {
	b.Reset(t)
	b.Len = n
	for range n {
		g.time += int64(g.r.ExpFloat64() * 2000)
		thread := g.r.IntN(12)
		heap, stack := uint64(0x7f3a_1c00_0000+thread<<24), uint64(0x7f3a_9000_0000+thread<<20)
		site, ret, took := schemas.SiteID(0), int64(0), int64(g.r.ExpFloat64()*900)+150
		var args [6]uint64
		size := uint64(1 << g.r.IntN(14))
		switch k := g.r.IntN(10); {
		case k < 3: // read
			site, args, ret = 12, [6]uint64{uint64(g.r.IntN(200)), heap + uint64(g.r.IntN(1<<16)), 16384, 0, 0, 0}, int64(size)
		case k < 6: // write
			site, args, ret = 13, [6]uint64{uint64(g.r.IntN(200)), heap + uint64(g.r.IntN(1<<16)), size, 0, 0, 0}, int64(size)
		case k < 8: // futex
			site, args = 40, [6]uint64{heap + 0x480, 128, uint64(g.r.IntN(3)), 0, 0, stack}
			if g.r.IntN(3) == 0 {
				ret = -11
			}
		case k < 9: // epoll_wait
			site, args, ret, took = 51, [6]uint64{7, stack + 0x100, 512, ^uint64(0), 0, 8}, 1, took*500
		default:
			site, args, ret = schemas.SiteID(60+g.r.IntN(40)), [6]uint64{uint64(g.r.IntN(1000)), stack, g.r.Uint64() >> 32, heap}, 0
		}
		errno := uint16(0)
		if ret < 0 {
			errno = uint16(-ret)
		}
		b.Time = append(b.Time, g.time)
		b.CPU = append(b.CPU, uint16(thread%4))
		b.Task = append(b.Task, schemas.TaskID(100+thread))
		b.Site = append(b.Site, site)
		b.Duration = append(b.Duration, took)
		b.End = append(b.End, schemas.EndReturned)
		b.Errno = append(b.Errno, errno)
		for i, a := range args {
			b.Columns[i].Ints = append(b.Columns[i].Ints, int64(a))
		}
		b.Columns[6].Ints = append(b.Columns[6].Ints, ret)
	}
}

// memory is a file in memory.
type memory struct {
	b      []byte
	closed bool
	synced int
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if n := int(off) + len(p); n > len(m.b) {
		if n > cap(m.b) {
			m.b = append(make([]byte, 0, n+n/2), m.b...)
		}
		m.b = m.b[:n]
	}
	return copy(m.b[off:], p), nil
}

func (m *memory) Sync() error { m.synced++; return nil }

func (m *memory) Truncate(n int64) error { m.b = m.b[:n]; return nil }

func (m *memory) Close() error { m.closed = true; return nil }
