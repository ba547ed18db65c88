package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"probetape/schemas"
)

// version is the release. A build from a checkout has its commit, and says when files differed from it.
const version = "0.1.0"

// tool describes this build, for captures and for the version command.
func tool() schemas.Tool {
	t := schemas.Tool{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return t
	}
	modified := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			t.Commit = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	if modified {
		t.Commit += " (modified)"
	}
	return t
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:   "version",
		Usage:  "what this program was built from",
		Action: printVersion,
	}
}

func printVersion(c *cli.Context) error {
	t := tool()
	commit := t.Commit
	if commit == "" {
		commit = "not recorded in this build"
	}
	_, err := fmt.Fprintf(c.App.Writer, "probetape %s\ncommit    %s\ngo        %s\nplatform  %s\ncapture   format %d.%d\n",
		t.Version, commit, t.Go, t.Platform, schemas.FormatMajor, schemas.FormatMinor)
	return err
}
