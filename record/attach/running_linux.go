package attach

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/cilium/ebpf"

	"probetape/bpf"
	"probetape/schemas"
)

// Running hands over the calls still under way as records (decode.Decoder.Record) with the end "running", and those of functions that ended
// unseen. fn's record is valid during the call. It is called after Detach.
func (s *Session) Running(fn func(record []byte) error) error {
	now := uint64(bootTime())
	for _, calls := range s.prog.Calls {
		m := s.coll.Maps[calls.Name]
		err := error(nil)
		if calls.Function {
			err = runningFunctions(m, calls.Dead, now, fn)
		} else {
			err = entries(m, func(_, value []byte) error {
				return handRunning(value, unsafe.Sizeof(bpf.Call{}), schemas.EndRunning, now, fn)
			})
		}
		if err != nil {
			return fmt.Errorf("reading calls under way: %w", err)
		}
	}
	return nil
}

// entries hands over a map's entries, whose bytes are valid during the call.
func entries(m *ebpf.Map, fn func(key, value []byte) error) error {
	var key []byte
	value := make([]byte, m.ValueSize())
	all := m.Iterate()
	for all.Next(&key, &value) {
		if err := fn(key, value); err != nil {
			return err
		}
	}
	return all.Err()
}

// runningFunctions reads the stacks of calls: an entry that is deeper than its task is now ended before.
func runningFunctions(m *ebpf.Map, dead schemas.End, now uint64, fn func(record []byte) error) error {
	const nest = unsafe.Sizeof(bpf.Call{})
	depth := map[uint64]uint64{}
	if err := entries(m, func(key, value []byte) error {
		if binary.LittleEndian.Uint64(key[8:]) == 0 {
			depth[binary.LittleEndian.Uint64(key)] = uint64(binary.LittleEndian.Uint32(value[nest+unsafe.Offsetof(bpf.Nest{}.Depth):]))
		}
		return nil
	}); err != nil {
		return err
	}
	return entries(m, func(key, value []byte) error {
		end := schemas.EndRunning
		if binary.LittleEndian.Uint64(key[8:]) >= depth[binary.LittleEndian.Uint64(key)] {
			end = dead
		}
		return handRunning(value, nest+unsafe.Sizeof(bpf.Nest{}), end, now, fn)
	})
}

func handRunning(value []byte, head uintptr, end schemas.End, now uint64, fn func(record []byte) error) error {
	rec := runningRecord(value, head, end, now)
	if rec == nil {
		return nil
	}
	return fn(rec)
}

// runningRecord makes the record of an in-flight entry, nil where no call is under way.
func runningRecord(value []byte, head uintptr, end schemas.End, now uint64) []byte {
	image := value[head:]
	if binary.LittleEndian.Uint32(value) != bpf.CallActive {
		return nil
	}
	size := (int(binary.LittleEndian.Uint16(image)) + 7) &^ 7
	const call = unsafe.Sizeof(schemas.WireRecord{})
	if size > len(image) || size < int(call+unsafe.Sizeof(schemas.WireCall{})) {
		return nil
	}
	rec := image[:size]
	binary.LittleEndian.PutUint16(rec, uint16(size))
	start := binary.LittleEndian.Uint64(rec[8:])
	binary.LittleEndian.PutUint64(rec[call:], now-min(start, now))
	binary.LittleEndian.PutUint64(rec[call+8:], uint64(end)<<16)
	return rec
}
