package catalog

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// DB is a catalogue that is being written. It holds bbolt's exclusive lock on the file until it is closed.
type DB struct {
	bolt   *bbolt.DB
	file   *os.File // bolt's
	commit uint64
	bytes  atomic.Int64

	// Of Commit, kept for the next one.
	order []ref
	block [][]byte
	body  []byte
	value []byte
}

// Settings of bbolt, measured by BenchmarkGrowth (docs/format-catalog.md has the figures).
const (
	// writtenPageSize is the same on every host, whatever its memory pages are, so that a capture is too.
	writtenPageSize = 4096
	// growBytes is how far the file is made longer at once. Each time costs an fsync.
	growBytes = 256 << 10
	// lockTimeout bounds the wait for the lock of a file that was made just now.
	lockTimeout = time.Second
)

// LockedError is returned where another process is writing the catalogue.
type LockedError struct{ File string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("opening %s for writing: another process is writing it", e.File)
}

// Create makes the catalogue's file, which must not exist, and its buckets. open opens a file of the capture's folder.
func Create(open func(name string, flag int, perm os.FileMode) (*os.File, error)) (*DB, error) {
	db := &DB{}
	var err error
	db.bolt, err = bbolt.Open(FileName, 0o600, &bbolt.Options{
		Timeout:  lockTimeout,
		PageSize: writtenPageSize,
		// The list of free pages is needed by a writer that opens the file again, and there is none.
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
		NoStatistics:   true,
		OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
			var err error
			db.file, err = open(name, flag|os.O_EXCL, perm)
			return db.file, err
		},
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, &LockedError{File: FileName}
	}
	if err != nil {
		return nil, fmt.Errorf("creating %s: %w", FileName, err)
	}
	db.bolt.AllocSize = growBytes
	err = db.bolt.Update(func(tx *bbolt.Tx) error {
		for b := range bucketCount {
			if _, err := tx.CreateBucket([]byte(b.String())); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("creating %s: %w", FileName, err), db.bolt.Close())
	}
	return db, db.measure()
}

// Bytes is how much of the file is in use. It may be called while another goroutine commits.
func (db *DB) Bytes() int64 { return db.bytes.Load() }

func (db *DB) measure() error {
	return db.bolt.View(func(tx *bbolt.Tx) error {
		db.bytes.Store(tx.Size())
		return nil
	})
}

// Close cuts off the room that the file has to grow, closes it and gives up the lock.
func (db *DB) Close() error {
	var err error
	if db.file != nil {
		err = db.file.Truncate(db.Bytes())
		db.file = nil
	}
	return errors.Join(err, db.bolt.Close())
}

// ref is one change of those that are committed together.
type ref struct {
	op    *op
	arena []byte
	at    int // its place among all
}

func (r *ref) key() []byte  { return r.op.key[:r.op.keyLen] }
func (r *ref) body() []byte { return r.arena[r.op.off : r.op.off+r.op.len] }

// Commit writes changes in one transaction, and returns when they are on the disk. Changes given later are over those given earlier. With
// an error the catalogue is as it was before, or (where only the last sync failed) may have them all.
func (db *DB) Commit(changes ...*Changes) error {
	db.order = db.order[:0]
	for _, c := range changes {
		for i := range c.ops {
			db.order = append(db.order, ref{op: &c.ops[i], arena: c.arena, at: len(db.order)})
		}
	}
	if len(db.order) == 0 {
		return nil
	}
	// bbolt inserts fastest in the order of keys.
	slices.SortFunc(db.order, func(a, b ref) int {
		return cmp.Or(cmp.Compare(a.op.bucket, b.op.bucket), bytes.Compare(a.key(), b.key()), cmp.Compare(a.at, b.at))
	})
	db.commit++
	err := db.bolt.Update(func(tx *bbolt.Tx) error {
		for rest := db.order; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n].op.bucket == rest[0].op.bucket && bytes.Equal(rest[n].key(), rest[0].key()) {
				n++
			}
			b := tx.Bucket([]byte(rest[0].op.bucket.String()))
			b.FillPercent = fillPercent(rest[0].op.bucket)
			if err := db.apply(b, rest[:n]); err != nil {
				return fmt.Errorf("writing %s: %w", rest[0].op.bucket, err)
			}
			rest = rest[n:]
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("writing %s: %w", FileName, err)
	}
	return db.measure()
}

// fillPercent is how full bbolt leaves a page that it splits. Keys that count up never go into pages before the last.
func fillPercent(b bucket) float64 {
	if b == bucketSymbols || b == bucketStacks {
		return bbolt.DefaultFillPercent
	}
	return 0.95
}

// apply makes all changes of one key.
func (db *DB) apply(b *bbolt.Bucket, refs []ref) error {
	last := &refs[len(refs)-1]
	key, body := last.key(), last.body()
	if last.op.kind == opSlot {
		var err error
		if body, err = db.fillSlots(b, key, refs); err != nil || body == nil {
			return err
		}
	}
	db.value = frame(db.value[:0], last.op.bucket, key, body, db.commit)
	return b.Put(key, bytes.Clone(db.value)) // bbolt keeps the value until the commit
}

// fillSlots returns a block with some of its slots replaced, nil where that changes nothing.
func (db *DB) fillSlots(b *bbolt.Bucket, key []byte, refs []ref) ([]byte, error) {
	bucket := refs[0].op.bucket
	db.block = append(db.block[:0], make([][]byte, slotsOf(bucket))...)
	var old []byte
	if value := b.Get(key); value != nil {
		var err error
		if old, _, err = unframe(bucket, key, value); err != nil {
			return nil, err
		}
		if err := splitBlock(old, db.block); err != nil {
			return nil, err
		}
	}
	for i := range refs {
		db.block[refs[i].op.slot] = refs[i].body()
	}
	db.body = db.body[:0]
	for _, slot := range db.block {
		db.body = binary.AppendUvarint(db.body, uint64(len(slot)))
		db.body = append(db.body, slot...)
	}
	if old != nil && bytes.Equal(old, db.body) {
		return nil, nil
	}
	return db.body, nil
}

// slotsOf returns how many slots a bucket's blocks have.
func slotsOf(b bucket) int {
	if b == bucketTasks {
		return tasksPerBlock
	}
	return totalsPerBlock
}

// splitBlock finds the slots of a block: each a length and so many bytes, none for what is not there.
func splitBlock(body []byte, slots [][]byte) error {
	s := source{b: body}
	for i := range slots {
		slots[i] = s.bytes()
	}
	return s.err
}
