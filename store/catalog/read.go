package catalog

import (
	"errors"
	"fmt"
	"io"

	"probetape/schemas"
)

// File reads a catalogue, again and again while it is being written. It may be used by several goroutines at once.
type File struct {
	r    io.ReaderAt
	size func() (int64, error)
}

// NewFile reads a catalogue from r, whose size may grow.
func NewFile(r io.ReaderAt, size func() (int64, error)) *File { return &File{r: r, size: size} }

// Problem is a part of a catalogue that cannot be read.
type Problem struct {
	Offset int64 // -1: not known
	Length int64 // 0: not known
	Cause  string
}

// VersionError is returned for a catalogue whose format is newer than this build reads.
type VersionError struct {
	Major, Minor int
	Tool         string // that wrote it; empty: not known
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("reading %s: its format is %d.%d, this build reads up to %d", FileName, e.Major, e.Minor, schemas.FormatMajor)
}

// ErrDamaged is wrapped where so much of a catalogue is lost that nothing can be made of the rest.
var ErrDamaged = errors.New("damaged beyond use")

// maxAttempts is how often a catalogue is read that is committed to meanwhile. A second passes between commits.
const maxAttempts = 100

// errBusy is returned where it was not enough.
var errBusy = fmt.Errorf("reading %s: it changed during each of %d attempts", FileName, maxAttempts)

// rows is a way to the catalogue's values: through its tree, or around it.
type rows interface {
	// each hands over a bucket's values in the order of their keys.
	each(b bucket, fn func(key, body []byte, offset int64) error) error
	// problem notes what cannot be read.
	problem(p Problem) error
}

// Load reads the catalogue as of one transaction. Where the tree is damaged it is read from its pages alone, the newest value of each key;
// the problems say what was found.
func (f *File) Load() (*Content, []Problem, error) {
	var c *Content
	problems, err := f.read(func(r rows, txid uint64) (err error) {
		c, err = load(r)
		if c != nil {
			c.Txid = txid
		}
		return err
	})
	if err != nil {
		return nil, problems, err
	}
	return c, problems, nil
}

// Tasks reads the tasks, in the order of their ids.
func (f *File) Tasks() ([]schemas.Task, []Problem, error) {
	var all []schemas.Task
	problems, err := f.read(func(r rows, _ uint64) (err error) {
		all, err = loadTasks(r)
		return err
	})
	return all, problems, err
}

// Stacks reads the stacks, in the order of their ids.
func (f *File) Stacks() ([]schemas.Stack, []Problem, error) {
	var all []schemas.Stack
	problems, err := f.read(func(r rows, _ uint64) (err error) {
		all, err = loadStacks(r)
		return err
	})
	return all, problems, err
}

// Symbols reads the symbols, by process and address.
func (f *File) Symbols() ([]schemas.Symbol, []Problem, error) {
	var all []schemas.Symbol
	problems, err := f.read(func(r rows, _ uint64) (err error) {
		all, err = loadSymbols(r)
		return err
	})
	return all, problems, err
}

// read calls fn with the newest transaction's values until one was read that did not move meanwhile, and falls back on salvaging.
func (f *File) read(fn func(r rows, txid uint64) error) ([]Problem, error) {
	for range maxAttempts {
		size, err := f.size()
		if err != nil {
			return nil, err
		}
		pages, err := ReadPages(f.r, size)
		if err != nil {
			return f.salvage(size, nil, fn)
		}
		t := &tree{pages: pages}
		err = fn(t, pages.Txid())
		// What was read of a moving file means nothing, not even that it looks damaged.
		if moved, movedErr := pages.Moved(); movedErr == nil && moved {
			continue
		}
		var version *VersionError
		if errors.As(err, &version) || (err == nil && len(t.problems) == 0) {
			return nil, err
		}
		return f.salvage(size, t.problems, fn)
	}
	return nil, errBusy
}

// tree reads values through the tree of one transaction.
type tree struct {
	pages    *Pages
	problems []Problem
}

// maxProblems bounds what is told of one catalogue.
const maxProblems = 1000

func (t *tree) problem(p Problem) error {
	if len(t.problems) < maxProblems {
		t.problems = append(t.problems, p)
	}
	return nil
}

func (t *tree) pageProblem(e *PageError) error {
	cause := e.Cause
	if e.Err != nil {
		cause += ": " + e.Err.Error()
	}
	return t.problem(Problem{Offset: e.Offset, Length: int64(t.pages.PageSize()), Cause: fmt.Sprintf("page %d: %s", e.Page, cause)})
}

func (t *tree) each(b bucket, fn func(key, body []byte, offset int64) error) error {
	sub, err := t.pages.Root().Bucket(b.String())
	var bad *PageError
	if errors.As(err, &bad) {
		return t.pageProblem(bad)
	}
	if err != nil {
		return err
	}
	if sub == nil {
		return t.problem(Problem{Offset: -1, Cause: fmt.Sprintf("the bucket %q is missing", b)})
	}
	return sub.Walk(Visitor{
		Pair: func(key, value []byte, offset int64) error {
			body, _, err := unframe(b, key, value)
			if err != nil {
				return t.problem(Problem{Offset: offset, Length: int64(len(value)), Cause: fmt.Sprintf("%s: %v", b, err)})
			}
			return fn(key, body, offset)
		},
		Damage: t.pageProblem,
	})
}
