package main

import (
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"probetape/record/launch"
)

func main() {
	launch.Main() // this process may be a command that waits to be released
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// run is the whole program but for the process: tests call it.
func run(args []string, stdout, stderr io.Writer) int {
	app := newApp(stdout, stderr)
	return finish(stderr, app.Run(args))
}

// newApp puts the commands together.
func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:  "probetape",
		Usage: "a flight recorder for Linux incidents: record what happens into a capture, analyse it anywhere",
		Description: "probetape record -p 4242 -d 60s        record what process 4242 and its children do, for a minute\n" +
			"probetape record -- make -j8            record a command from its start\n" +
			"probetape analyze incident.tape         what happened, and whether anything was missed",
		Writer:    stdout,
		ErrWriter: stderr,
		// Values of repeated flags may hold commas: probe text does.
		DisableSliceFlagSeparator: true,
		HideVersion:               true,
		Commands: []*cli.Command{
			kitsCommand(),
			versionCommand(),
		},
		Action:         noCommand,
		OnUsageError:   badFlag,
		ExitErrHandler: func(*cli.Context, error) {}, // exit.go decides
	}
	for _, c := range app.Commands {
		setUsageErrors(c)
	}
	return app
}

// setUsageErrors makes wrong flags of a command, and of its subcommands, errors of ours: one line and a hint, not the whole help.
func setUsageErrors(c *cli.Command) {
	if c.OnUsageError == nil {
		c.OnUsageError = badFlag
	}
	for _, sub := range c.Subcommands {
		setUsageErrors(sub)
	}
}

// noCommand runs when the first argument names no command.
func noCommand(c *cli.Context) error {
	if c.NArg() == 0 {
		return cli.ShowAppHelp(c)
	}
	name := c.Args().First()
	names := make([]string, 0, len(c.App.Commands))
	for _, cmd := range c.App.Commands {
		if !cmd.Hidden {
			names = append(names, cmd.Name)
		}
	}
	return unknownCommand("probetape", name, names)
}
