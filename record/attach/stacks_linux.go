package attach

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"probetape/record/compile"
	"probetape/schemas"
)

// Stacks hands over the call stacks that have been taken since the last call. Their ids are those in the rows; user stacks are told apart, and
// their task is for the caller to find: equal addresses of two programs are one stack. fn's stack is valid during the call.
func (s *Session) Stacks(fn func(schemas.Stack) error) error {
	for _, kind := range []struct {
		name string
		flag uint32
	}{{compile.MapKstacks, 0}, {compile.MapUstacks, compile.UserStack}} {
		m := s.coll.Maps[kind.name]
		if m == nil {
			continue
		}
		if err := s.stacksOf(m, kind.flag, fn); err != nil {
			return fmt.Errorf("reading call stacks: %w", err)
		}
	}
	return nil
}

func (s *Session) stacksOf(m *ebpf.Map, flag uint32, fn func(schemas.Stack) error) error {
	var id uint32
	frames := make([]uint64, compile.StackDepth)
	for err := m.NextKey(nil, &id); ; err = m.NextKey(id, &id) {
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if s.stacksSeen[id|flag] {
			continue
		}
		if err := m.Lookup(id, frames); err != nil {
			return err
		}
		n := 0
		for n < len(frames) && frames[n] != 0 {
			n++
		}
		if s.stacksSeen == nil {
			s.stacksSeen = map[uint32]bool{}
		}
		s.stacksSeen[id|flag] = true
		if err := fn(schemas.Stack{ID: id | flag, Frames: frames[:n], User: flag != 0}); err != nil {
			return err
		}
	}
}
