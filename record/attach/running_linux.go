package attach

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"probetape/bpf"
	"probetape/schemas"
)

// Running hands over the calls still under way as records (decode.Decoder.Record) with the end "running". fn's record is valid during the call.
// It is called after Detach.
func (s *Session) Running(fn func(record []byte) error) error {
	now := uint64(bootTime())
	for _, name := range s.prog.Calls {
		m := s.coll.Maps[name]
		var key []byte
		value := make([]byte, m.ValueSize())
		entries := m.Iterate()
		for entries.Next(&key, &value) {
			rec := runningRecord(value, now)
			if rec == nil {
				continue
			}
			if err := fn(rec); err != nil {
				return err
			}
		}
		if err := entries.Err(); err != nil {
			return fmt.Errorf("reading calls under way: %w", err)
		}
	}
	return nil
}

// runningRecord makes the record of an in-flight entry, nil where no call is under way.
func runningRecord(value []byte, now uint64) []byte {
	image := value[unsafe.Sizeof(bpf.Call{}):]
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
	binary.LittleEndian.PutUint64(rec[call+8:], uint64(schemas.EndRunning)<<16)
	return rec
}
