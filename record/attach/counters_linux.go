package attach

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"probetape/bpf"
	"probetape/schemas"
)

// counts are what Counters returns, and the map that it reads: as many counters as there are sites, for each possible CPU.
type counts struct {
	out    []Counts
	mapped []byte
	values []schemas.WireCounters
}

// mapCounters brings the counters' map into this process's memory. Reading it by system calls would make the kernel skip programs (TestReadingSkipsNothing).
func (s *Session) mapCounters() error {
	m := s.coll.Maps[bpf.MapCounters]
	n := int(m.MaxEntries())
	page := os.Getpagesize()
	size := (n*int(unsafe.Sizeof(schemas.WireCounters{})) + page - 1) / page * page
	mapped, err := unix.Mmap(m.FD(), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mapping the programs' counters: %w", err)
	}
	s.counts.mapped = mapped
	s.counts.values = unsafe.Slice((*schemas.WireCounters)(unsafe.Pointer(&mapped[0])), n)
	s.counts.out = make([]Counts, len(s.prog.Sites))
	return nil
}

func (s *Session) unmapCounters() error {
	if s.counts.mapped == nil {
		return nil
	}
	mapped := s.counts.mapped
	s.counts.mapped, s.counts.values = nil, nil
	if err := unix.Munmap(mapped); err != nil {
		return fmt.Errorf("unmapping the programs' counters: %w", err)
	}
	return nil
}

// Counters returns every site's counters, indexed by site. The slice is the session's and is overwritten by the next call.
func (s *Session) Counters() ([]Counts, error) {
	c := &s.counts
	clear(c.out)
	for i := range c.values {
		if len(c.out) == 0 {
			break
		}
		from, to := &c.values[i], &c.out[i%len(c.out)].WireCounters
		to.Attempted += atomic.LoadUint64(&from.Attempted)
		to.StartedBefore += atomic.LoadUint64(&from.StartedBefore)
		to.MapFull += atomic.LoadUint64(&from.MapFull)
		to.Skipped += atomic.LoadUint64(&from.Skipped)
	}
	if err := s.readMissed(); err != nil {
		return nil, err
	}
	s.addMissed(c.out)
	return c.out, nil
}

// Stats returns what the programs have cost so far.
func (s *Session) Stats() (Stats, error) {
	if len(s.stats) == 0 {
		return Stats{Runs: -1}, nil
	}
	var total Stats
	for name, prog := range s.coll.Programs {
		stats, err := prog.Stats()
		if err != nil {
			return Stats{}, fmt.Errorf("reading statistics of program %s: %w", name, err)
		}
		total.Runs += int64(stats.RunCount)
		total.RunTime += stats.Runtime
	}
	return total, nil
}

// TasksLost returns how many task events did not fit into their buffer.
func (s *Session) TasksLost() (uint64, error) {
	percpu := make([]bpf.CPU, ebpf.MustPossibleCPU())
	if err := s.coll.Maps[bpf.MapCPUs].Lookup(uint32(0), percpu); err != nil {
		return 0, fmt.Errorf("reading the count of lost task events: %w", err)
	}
	var lost uint64
	for _, v := range percpu {
		lost += v.TaskLost
	}
	return lost, nil
}

// Flush sends what the CPUs have collected. The samples are in the buffers when it returns. A CPU whose program is interrupted at this
// very moment is tried again; where the kernel preempts programs and cannot be asked not to, the program's task must come to run first.
func (s *Session) Flush() error {
	const tries = 10_000
	prog := s.coll.Programs[bpf.ProgFlush]
	for _, cpu := range s.cpus {
		for try := 0; ; try++ {
			busy, err := prog.Run(&ebpf.RunOptions{Flags: unix.BPF_F_TEST_RUN_ON_CPU, CPU: uint32(cpu)})
			if errors.Is(err, unix.ENXIO) {
				break // gone offline; what it held is lost, and shows as such
			}
			if err != nil {
				return fmt.Errorf("flushing CPU %d: %w", cpu, err)
			}
			if busy == 0 {
				break
			}
			if try == tries {
				return fmt.Errorf("flushing CPU %d: its batch stayed in use", cpu)
			}
			runtime.Gosched()
			if try > 10 {
				time.Sleep(time.Millisecond)
			}
		}
	}
	return nil
}

// onlineCPUs returns the numbers of the CPUs that run.
func onlineCPUs() ([]int, error) {
	text, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return nil, fmt.Errorf("reading which CPUs are online: %w", err)
	}
	cpus, err := parseCPUs(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("reading which CPUs are online: %w", err)
	}
	return cpus, nil
}

// parseCPUs reads a list such as 0-3,8.
func parseCPUs(list string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		from, to, ranged := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		if err != nil {
			return nil, fmt.Errorf("parsing CPU list %q: %w", list, err)
		}
		last := first
		if ranged {
			if last, err = strconv.Atoi(to); err != nil {
				return nil, fmt.Errorf("parsing CPU list %q: %w", list, err)
			}
		}
		for cpu := first; cpu <= last; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}
