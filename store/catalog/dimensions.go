package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"probetape/schemas"
)

// loadStrings reads the texts that tasks and symbols refer to.
func loadStrings(r rows) (texts, error) {
	all := texts{}
	err := r.each(bucketStrings, func(key, body []byte, offset int64) error {
		if len(key) != 4 || len(body) > maxStringLen || len(all) >= maxStrings {
			return bad(r, bucketStrings, offset, body, errors.New("not a text of the bucket"))
		}
		all[binary.BigEndian.Uint32(key)] = string(body)
		return nil
	})
	return all, err
}

func loadTasks(r rows) ([]schemas.Task, error) {
	strings, err := loadStrings(r)
	if err != nil {
		return nil, err
	}
	var all []schemas.Task
	err = eachSlot(r, bucketTasks, func(id uint32, s *source, offset int64) error {
		t := readTask(s, strings)
		t.ID = schemas.TaskID(id)
		if s.err == nil {
			s.err = schemas.ValidateTask(&t)
		}
		if s.err != nil {
			return bad(r, bucketTasks, offset, nil, fmt.Errorf("task %d: %w", id, s.err))
		}
		all = append(all, t)
		return nil
	})
	return all, err
}

func loadStacks(r rows) ([]schemas.Stack, error) {
	var all []schemas.Stack
	err := r.each(bucketStacks, func(key, body []byte, offset int64) error {
		s := source{b: body}
		k := readStack(&s)
		if len(key) != 4 {
			s.fail(fmt.Errorf("key of %d bytes", len(key)))
		} else {
			k.ID = binary.BigEndian.Uint32(key)
		}
		if s.err == nil {
			s.err = schemas.ValidateStack(&k)
		}
		if s.err != nil {
			return bad(r, bucketStacks, offset, body, s.err)
		}
		all = append(all, k)
		return nil
	})
	return all, err
}

func loadSymbols(r rows) ([]schemas.Symbol, error) {
	strings, err := loadStrings(r)
	if err != nil {
		return nil, err
	}
	var all []schemas.Symbol
	err = r.each(bucketSymbols, func(key, body []byte, offset int64) error {
		s := source{b: body}
		y := readSymbol(&s, strings)
		if len(key) != 12 {
			s.fail(fmt.Errorf("key of %d bytes", len(key)))
		} else {
			y.PID, y.Address = binary.BigEndian.Uint32(key), binary.BigEndian.Uint64(key[4:])
		}
		if s.err == nil {
			s.err = schemas.ValidateSymbol(&y)
		}
		if s.err != nil {
			return bad(r, bucketSymbols, offset, body, s.err)
		}
		all = append(all, y)
		return nil
	})
	return all, err
}
