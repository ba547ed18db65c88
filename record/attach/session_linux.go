package attach

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"probetape/bpf"
	"probetape/record/compile"
	"probetape/record/ring"
)

// Session is a program loaded into the kernel.
//
// Its life: Open, AttachTasks, AddTargets (or Arm), Attach, then Flush and Counters now and then while Events and Tasks are read; at the
// end Detach, which returns when no program runs any more, a last Flush, a last reading of both buffers, Counters, Running, Close.
type Session struct {
	prog   *compile.Program
	coll   *ebpf.Collection
	events *ring.Reader
	tasks  *ring.Reader
	cgroup *os.File
	stats  []closer // BPF_ENABLE_STATS
	links  [phases][]link.Link
	cpus   []int
	counts counts

	maps        map[string]*ebpf.MapSpec // as they were loaded
	types       *btf.Cache
	refused     map[string]error // programs that were not loaded
	watched     []watched
	missedKnown bool
	symbols     symbols
	goFiles     map[string]bool
	stacksSeen  map[uint32]bool
}

type closer interface{ Close() error }

// Open loads a program. A program that the verifier refuses gives a *VerifierError with the place in the probe text.
func Open(prog *compile.Program, opts Options) (*Session, error) {
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, fmt.Errorf("lifting the memlock limit: %w", err)
	}
	cpus, err := onlineCPUs()
	if err != nil {
		return nil, err
	}
	s := &Session{prog: prog, cpus: cpus, refused: map[string]error{}, goFiles: map[string]bool{}, types: opts.Types}
	if s.types == nil {
		s.types = btf.NewCache()
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	if err := s.open(opts); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Session) open(opts Options) error {
	var err error
	if s.missedKnown, err = missedCounts(s.types); err != nil {
		return err
	}
	if err := s.mapCounters(); err != nil {
		return err
	}
	size := max(orDefault(opts.BufferBytes, DefaultBuffer), 2*s.prog.Slot) // a sample fits, with its header
	if s.events, err = ring.New(s.coll.Maps[bpf.MapEvents], size, size/4); err != nil {
		return err
	}
	size = orDefault(opts.TaskBufferBytes, DefaultTaskBuffer)
	if s.tasks, err = ring.New(s.coll.Maps[bpf.MapTasks], size, size/2); err != nil {
		return err
	}
	if opts.RunStats {
		stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
		if err != nil {
			return fmt.Errorf("enabling run time statistics of BPF programs: %w", err)
		}
		s.stats = append(s.stats, stats)
	}
	if s.prog.Config.Mode == compile.TargetCgroup {
		return s.setCgroup(opts.Cgroup)
	}
	return nil
}

func orDefault(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

func (s *Session) setCgroup(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening cgroup: %w", err)
	}
	s.cgroup = f
	if err := s.coll.Maps[bpf.MapCgroups].Put(uint32(0), uint32(f.Fd())); err != nil {
		return fmt.Errorf("making cgroup %q the target (it must be of version 2): %w", dir, err)
	}
	return nil
}

// Events returns the reader of the event samples, for package decode.
func (s *Session) Events() *ring.Reader { return s.events }

// Tasks returns the reader of the task events: each sample is one schemas.WireTask, cut off after the used part of Exe.
func (s *Session) Tasks() *ring.Reader { return s.tasks }

// AddTargets makes processes targets, by thread group id.
func (s *Session) AddTargets(tgids ...uint32) error {
	for _, id := range tgids {
		if err := s.setTarget(id, bpf.TargetActive); err != nil {
			return err
		}
	}
	return nil
}

// Arm makes a process a target that is recorded from its next execve on, that call included where the plan has it.
func (s *Session) Arm(tgid uint32) error { return s.setTarget(tgid, bpf.TargetArmed) }

func (s *Session) setTarget(tgid uint32, state uint32) error {
	if s.prog.Config.Mode != compile.TargetPIDs {
		return fmt.Errorf("adding process %d to the targets: the recording's targets are not processes", tgid)
	}
	if err := s.coll.Maps[bpf.MapTargets].Put(tgid, bpf.Target{State: state}); err != nil {
		return fmt.Errorf("adding process %d to the targets: %w", tgid, err)
	}
	return nil
}

// AttachTasks attaches the programs that follow tasks: creation, execve, renaming, exit. They come before AddTargets, so that no child
// escapes between the reading of /proc and the recording.
func (s *Session) AttachTasks() error {
	for _, t := range []struct{ point, prog string }{
		{"sched_process_free", bpf.ProgTaskFree},
		{"sched_process_exit", bpf.ProgTaskExit},
		{"task_rename", bpf.ProgTaskRename},
		{"sched_process_exec", bpf.ProgTaskExec},
		{"task_newtask", bpf.ProgTaskNew},
	} {
		if err := s.rawTracepoint(t.point, t.prog, phaseTasks); err != nil {
			return fmt.Errorf("following tasks: %w", err)
		}
	}
	return nil
}

// rawTracepoint attaches a program until a phase of detaching, and its second copy where there is one.
func (s *Session) rawTracepoint(name, prog string, p phase) error {
	for _, copied := range []string{prog, compile.Twin(prog)} {
		program := s.coll.Programs[copied]
		if program == nil && copied != prog {
			break
		}
		l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: name, Program: program})
		if err != nil {
			return fmt.Errorf("attaching raw tracepoint %q: %w", name, err)
		}
		s.keep(p, l)
	}
	return nil
}

// Close frees everything. It is called after Detach, and may be called alone.
func (s *Session) Close() error {
	var errs []error
	for p := range phases {
		errs = append(errs, closeLinks(s.links[p]))
		s.links[p] = nil
	}
	errs = append(errs, s.unmapCounters())
	if s.events != nil {
		errs = append(errs, s.events.Close())
	}
	if s.tasks != nil {
		errs = append(errs, s.tasks.Close())
	}
	if s.cgroup != nil {
		errs = append(errs, s.cgroup.Close())
	}
	for _, c := range s.stats {
		errs = append(errs, c.Close())
	}
	s.coll.Close()
	return errors.Join(errs...)
}
