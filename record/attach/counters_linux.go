package attach

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"probetape/bpf"
	"probetape/schemas"
)

// counts are the buffers of Counters.
type counts struct {
	out     []Counts
	percpu  []schemas.WireCounters
	keys    []uint32
	noBatch bool
}

// Counters returns every site's counters, indexed by site. The slice is the session's and is overwritten by the next call.
func (s *Session) Counters() ([]Counts, error) {
	n, cpus := len(s.prog.Sites), ebpf.MustPossibleCPU()
	c := &s.counts
	if c.out == nil {
		c.out, c.keys = make([]Counts, n), make([]uint32, n)
		c.percpu = make([]schemas.WireCounters, n*cpus)
	}
	if err := s.readCounters(n, cpus); err != nil {
		return nil, fmt.Errorf("reading the programs' counters: %w", err)
	}
	for i := range c.out {
		var sum schemas.WireCounters
		for _, v := range c.percpu[i*cpus : (i+1)*cpus] {
			sum.Attempted += v.Attempted
			sum.StartedBefore += v.StartedBefore
			sum.MapFull += v.MapFull
			sum.Skipped += v.Skipped
		}
		c.out[i] = Counts{WireCounters: sum}
	}
	if err := s.readMissed(); err != nil {
		return nil, err
	}
	s.addMissed(c.out)
	return c.out, nil
}

func (s *Session) readCounters(n, cpus int) error {
	c, m := &s.counts, s.coll.Maps[bpf.MapCounters]
	if n == 0 {
		return nil
	}
	if !c.noBatch {
		var cursor ebpf.MapBatchCursor
		got, err := m.BatchLookup(&cursor, c.keys, c.percpu, nil)
		if got == n && (err == nil || errors.Is(err, ebpf.ErrKeyNotExist)) {
			return nil
		}
		c.noBatch = true // before 5.13; where it fails for another reason, the lookups below say so
	}
	for i := range n {
		if err := m.Lookup(uint32(i), c.percpu[i*cpus:(i+1)*cpus]); err != nil {
			return err
		}
	}
	return nil
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
