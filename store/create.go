package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"probetape/schemas"
	"probetape/store/catalog"
)

// catalogFile is the catalogue's name in a capture.
const catalogFile = catalog.FileName

// Owner is who the capture's folders and files belong to.
type Owner struct{ UID, GID uint32 }

// CreateOptions describe a capture that is to be made. Tables[i].ID and Sites[i].ID must be i.
type CreateOptions struct {
	Tables []schemas.Table
	Sites  []schemas.Site
	Owner  *Owner // nil: whoever runs

	SegmentBytes int64         // a segment ends at about this size; 0: DefaultSegmentBytes
	SegmentAge   time.Duration // or at this age (see Writer); 0: DefaultSegmentAge
	SealBudget   time.Duration // how long Close may spend on sealing; 0: DefaultSealBudget, negative: nothing is sealed, also before
}

// Defaults of CreateOptions.
const (
	DefaultSegmentBytes = 64 << 20
	DefaultSegmentAge   = time.Minute
	DefaultSealBudget   = 2 * time.Second
)

// Create makes a capture: its folder, with mode 0700, and the files in it, with mode 0600. A path where something is, be it a link that
// leads nowhere, is an *ExistsError.
func Create(path string, opts CreateOptions) (*Writer, error) {
	if err := errors.Join(schemas.ValidateTables(opts.Tables), schemas.ValidateSites(opts.Sites, opts.Tables)); err != nil {
		return nil, fmt.Errorf("creating capture: %w", err)
	}
	d, err := makeFolder(path, opts.Owner)
	if err != nil {
		return nil, err
	}
	w, err := begin(d, path, &opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("creating capture: %w", err), d.close(), removeFolder(path))
	}
	return w, nil
}

// begin makes the catalogue, brings the folder to the disk and starts the writer.
func begin(d *folder, path string, opts *CreateOptions) (*Writer, error) {
	db, err := catalog.Create(d.openCatalog)
	if err != nil {
		return nil, err
	}
	w, err := newWriter(d, db, opts)
	if err == nil {
		err = w.describe()
	}
	if err == nil {
		err = d.sync()
	}
	if err == nil {
		err = syncParent(path)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	w.start()
	return w, nil
}

// syncParent makes the capture's own name survive a power failure. A folder that may be written and not read cannot be synced.
func syncParent(path string) error {
	f, err := os.Open(filepath.Dir(path))
	if errors.Is(err, os.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(syncFolder(f), f.Close())
}
