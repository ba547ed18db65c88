package attach

import (
	"fmt"
	"maps"

	"github.com/cilium/ebpf"

	"probetape/bpf"
	"probetape/record/compile"
)

// load loads the programs and maps. The kernel looks at the function of fentry and fexit programs when it loads them: one that cannot be
// traced is its site's failure, not the recording's.
func (s *Session) load() error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("reading how many CPUs there can be: %w", err)
	}
	s.maps = maps.Clone(s.prog.Spec.Maps)
	counters := s.maps[bpf.MapCounters].Copy()
	counters.MaxEntries *= uint32(cpus)
	s.maps[bpf.MapCounters] = counters

	main := *s.prog.Spec
	main.Maps = s.maps
	main.Programs = map[string]*ebpf.ProgramSpec{}
	traced := map[string]*ebpf.ProgramSpec{}
	for name, p := range s.prog.Spec.Programs {
		if p.Type == ebpf.Tracing {
			traced[name] = p
		} else {
			main.Programs[name] = p
		}
	}
	coll, err := ebpf.NewCollectionWithOptions(&main, ebpf.CollectionOptions{Cache: s.types})
	if err != nil {
		return loadError(s.prog, err)
	}
	s.coll = coll
	return s.loadTraced(traced)
}

func (s *Session) loadTraced(programs map[string]*ebpf.ProgramSpec) error {
	if len(programs) == 0 {
		return nil
	}
	err := s.loadInto(programs)
	if err == nil {
		return nil
	}
	if len(programs) == 1 {
		for name := range programs {
			s.refused[name] = loadError(s.prog, err)
		}
		return nil
	}
	for name, p := range programs { // at least one of them
		if err := s.loadTraced(map[string]*ebpf.ProgramSpec{name: p}); err != nil {
			return err
		}
	}
	return nil
}

// loadInto loads programs that use the maps of the others.
func (s *Session) loadInto(programs map[string]*ebpf.ProgramSpec) error {
	spec := *s.prog.Spec
	spec.Programs, spec.Maps = programs, map[string]*ebpf.MapSpec{}
	for name, m := range s.maps { // they are there and filled; what is in them may be programs that are not here
		empty := m.Copy()
		empty.Contents = nil
		spec.Maps[name] = empty
	}
	coll, err := ebpf.NewCollectionWithOptions(&spec, ebpf.CollectionOptions{MapReplacements: s.coll.Maps, Cache: s.types})
	if err != nil {
		return err
	}
	for name := range programs {
		s.coll.Programs[name] = coll.DetachProgram(name)
	}
	coll.Close()
	return nil
}

// program returns a loaded program, or why the kernel refused it.
func (s *Session) program(name string) (*ebpf.Program, error) {
	if p := s.coll.Programs[name]; p != nil {
		return p, nil
	}
	if err := s.refused[name]; err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("finding program %s: it is not in the collection", name)
}

// programs returns the programs of a call's entry and return.
func (s *Session) programs(site *compile.SitePlan) (entry, exit *ebpf.Program, err error) {
	if entry, err = s.program(site.Entry); err != nil {
		return nil, nil, err
	}
	if exit, err = s.program(site.Exit); err != nil {
		return nil, nil, err
	}
	return entry, exit, nil
}
