package main

import (
	"errors"
	"io"
	"io/fs"

	"github.com/urfave/cli/v2"

	"probetape/analyze"
	"probetape/store"
)

// openCapture opens a capture for reading.
func openCapture(path string) (analyze.Source, io.Closer, error) {
	r, err := store.Open(path)
	if err != nil {
		return nil, nil, err
	}
	return r, r, nil
}

// captureError is the error for a capture that cannot be opened. What was meant as an analysis, and is none, is told so.
func captureError(c *cli.Context, path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var names []string
	for _, sub := range c.Command.Subcommands {
		names = append(names, sub.Name)
	}
	if near := nearest(path, names); near != "" {
		return &usageError{msg: "there is neither an analysis nor a capture called " + path, err: err,
			hints: []string{"did you mean " + c.Command.HelpName + " " + near + "?"}}
	}
	return err
}
