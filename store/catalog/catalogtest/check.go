// Package catalogtest holds catalogues against bbolt, the witness that reads nothing in the product: tests of the store end with it.
//
// It imports bbolt and nothing of ours.
package catalogtest

import (
	"errors"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// Check runs bbolt's own check of consistency over the file at path, which nobody may be writing. It waits a second for its lock.
func Check(t testing.TB, path string) {
	t.Helper()
	if err := check(path); err != nil {
		t.Errorf("bbolt's check of %s: %v", path, err)
	}
}

func check(path string) (err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bbolt.Tx) error {
		var all []error
		for err := range tx.Check() {
			all = append(all, err)
		}
		return errors.Join(all...)
	})
}
