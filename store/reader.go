package store

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"probetape/schemas"
	"probetape/store/catalog"
)

// Reader reads a capture. It satisfies analyze.Source. It may be used by several goroutines at once, but for Close.
//
// It shows the capture as of one commit, also while it is being recorded. What it returns is within the bounds of package schemas.
type Reader struct {
	path     string
	source   source
	file     readFile // of the catalogue
	catalog  *catalog.File
	content  *catalog.Content
	manifest *schemas.Manifest
	live     bool

	parts []part
	held  map[uint64]readFile // segments of a capture in use, which may be replaced by sealed ones any time
	scans sync.Pool
	tails int64 // bytes that have been searched for rows behind the committed ones

	mu     sync.Mutex
	damage []schemas.Damage
}

// Open opens a capture. A path where nothing is is fs.ErrNotExist; what is not a capture is a *NotCaptureError, one of a newer format a
// *VersionError, one that is damaged beyond use a *CorruptError. All other damage is for Damage to tell.
//
// A capture whose recording ended badly has, besides what was committed, the rows behind it that prove to be whole; its log says so.
func Open(path string) (*Reader, error) {
	s, err := openSource(path)
	if err != nil {
		return nil, err
	}
	r := &Reader{path: path, source: s, held: map[uint64]readFile{}}
	if err := r.open(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Reader) open() error {
	f, err := r.source.open(catalogFile)
	if err != nil {
		return fmt.Errorf("opening capture %q: %w", r.path, err)
	}
	r.file, r.catalog = f, catalog.NewFile(f, f.size)
	if err := r.load(); err != nil {
		return err
	}
	r.manifest = r.content.Manifest
	if r.manifest == nil {
		r.manifest = &schemas.Manifest{}
	}
	r.manifest.Major, r.manifest.Minor = r.content.Major, r.content.Minor
	return r.findParts()
}

// maxLoads is how often a capture is opened anew since its segments were replaced meanwhile.
const maxLoads = 10

// load reads the catalogue, and opens the segments of a capture in use that may be replaced.
func (r *Reader) load() error {
	for range maxLoads {
		// Asked before the catalogue is read: a recording that ends in between is not taken for one that ended badly.
		inUse, err := r.source.inUse()
		if err != nil {
			return fmt.Errorf("opening capture %q: %w", r.path, err)
		}
		content, problems, err := r.catalog.Load()
		if err != nil {
			return r.catalogError(err, problems)
		}
		r.content, r.live = content, inUse && (content.Manifest == nil || !content.Manifest.Ended)
		held := true
		if inUse { // also where the recording has ended: its segments are being sealed
			if held, err = r.hold(); err != nil {
				return err
			}
		}
		if held {
			r.addProblems(problems)
			return nil
		}
	}
	return fmt.Errorf("opening capture %q: its segments were replaced during each of %d attempts", r.path, maxLoads)
}

// maxHeld bounds the files that are held open.
const maxHeld = 512

// hold opens the segments that are not sealed. It returns false where one of them has been replaced since the catalogue was read.
func (r *Reader) hold() (bool, error) {
	for i := range r.content.Segments {
		g := &r.content.Segments[i]
		if g.Sealed || len(r.held) >= maxHeld {
			continue
		}
		f, err := r.source.open(g.File)
		if errors.Is(err, fs.ErrNotExist) {
			return false, r.release()
		}
		if err != nil {
			return false, fmt.Errorf("opening capture %q: %w", r.path, err)
		}
		r.held[g.ID] = f
	}
	return true, nil
}

func (r *Reader) release() error {
	var errs []error
	for _, f := range r.held {
		errs = append(errs, f.Close())
	}
	clear(r.held)
	return errors.Join(errs...)
}

// catalogError makes an error of the store of one of the catalogue.
func (r *Reader) catalogError(err error, problems []catalog.Problem) error {
	if v, ok := errors.AsType[*catalog.VersionError](err); ok {
		return &VersionError{Path: r.path, Major: v.Major, Minor: v.Minor, Tool: v.Tool}
	}
	if !errors.Is(err, catalog.ErrDamaged) {
		return fmt.Errorf("opening capture %q: %w", r.path, err)
	}
	offset := int64(-1)
	if len(problems) > 0 {
		offset = problems[0].Offset
	}
	return &CorruptError{Path: r.path, File: catalogFile, Offset: offset, Err: err}
}

// Close closes the capture's files.
func (r *Reader) Close() error {
	errs := []error{r.release()}
	if r.file != nil {
		errs = append(errs, r.file.Close())
	}
	return errors.Join(append(errs, r.source.close())...)
}

// Name returns the path that the capture was opened by.
func (r *Reader) Name() string { return r.path }

// Live reports whether the capture was being recorded when it was opened.
func (r *Reader) Live() bool { return r.live }

// Manifest describes the capture. A recording that ended before it wrote one has one with the format's version only.
func (r *Reader) Manifest() *schemas.Manifest { return r.manifest }

// Tables returns the tables; Tables()[i].ID is i.
func (r *Reader) Tables() []schemas.Table { return r.content.Tables }

// Sites returns the sites; Sites()[i].ID is i.
func (r *Reader) Sites() []schemas.Site { return r.content.Sites }

// Tasks reads the tasks, in the order of their ids. Ids may be missing between them.
func (r *Reader) Tasks() ([]schemas.Task, error) {
	tasks, problems, err := r.catalog.Tasks()
	return tasks, r.dimension("tasks", problems, err)
}

// Stacks reads the stacks, in the order of their ids. Ids may be missing between them.
func (r *Reader) Stacks() ([]schemas.Stack, error) {
	stacks, problems, err := r.catalog.Stacks()
	return stacks, r.dimension("stacks", problems, err)
}

// Symbols reads the symbols, the kernel's first, then by process, each by address.
func (r *Reader) Symbols() ([]schemas.Symbol, error) {
	symbols, problems, err := r.catalog.Symbols()
	return symbols, r.dimension("symbols", problems, err)
}

func (r *Reader) dimension(what string, problems []catalog.Problem, err error) error {
	r.addProblems(problems)
	if err != nil {
		return fmt.Errorf("reading the %s of %q: %w", what, r.path, err)
	}
	return nil
}

// Segments returns the segments in the order of their ids. They tell of the rows that can be read: what a segment lacks, since its file was
// cut or is gone, is in Damage.
func (r *Reader) Segments() []schemas.Segment { return r.content.Segments }

// Losses returns the losses in the order in which they were told.
func (r *Reader) Losses() []schemas.Loss { return r.content.Losses }

// Totals returns the sites' ledgers in the order of the sites. Rows that were recovered are not among them.
func (r *Reader) Totals() []schemas.SiteTotals { return r.content.Totals }

// Clock returns the clock samples in the order in which they were taken.
func (r *Reader) Clock() []schemas.ClockSample { return r.content.Clock }

// Blocked returns what tasks were waiting for.
func (r *Reader) Blocked() []schemas.Blocked { return r.content.Blocked }

// Log returns the recorder's log, and what the reader had to do to a recording that ended badly.
func (r *Reader) Log() []schemas.LogEntry { return r.content.Log }

// Damage returns what cannot be read: found when opening, and by the reading since.
func (r *Reader) Damage() []schemas.Damage {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.damage)
}

// maxDamage bounds what is told of one capture.
const maxDamage = 10000

// addDamage adds damage. The same place is told once.
func (r *Reader) addDamage(d schemas.Damage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := slices.ContainsFunc(r.damage, func(old schemas.Damage) bool { return old.File == d.File && old.Offset == d.Offset && d.Offset >= 0 })
	if !known && len(r.damage) < maxDamage {
		r.damage = append(r.damage, d)
	}
}

func (r *Reader) addProblems(problems []catalog.Problem) {
	for _, p := range problems {
		r.addDamage(schemas.Damage{File: catalogFile, Offset: p.Offset, Length: p.Length, Cause: p.Cause})
	}
}
