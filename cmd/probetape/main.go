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
	app := newApp(args, os.Stdin, stdout, stderr)
	return finish(stderr, app.Run(rearrange(app, args)))
}

// newApp puts the commands together.
func newApp(args []string, stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:  "probetape",
		Usage: "a flight recorder for Linux incidents: record what happens into a capture, analyse it anywhere",
		Description: "probetape record -p 4242 -d 60s        record what process 4242 and its children do, for a minute\n" +
			"probetape record -- make -j8            record a command from its start\n" +
			"probetape analyze incident.tape         what happened, and whether anything was missed",
		Reader:    stdin,
		Writer:    stdout,
		ErrWriter: stderr,
		// Values of repeated flags may hold commas: probe text does.
		DisableSliceFlagSeparator: true,
		HideVersion:               true,
		HideHelpCommand:           true,
		Flags:                     []cli.Flag{&cli.BoolFlag{Name: "version", Usage: "what this program was built from"}},
		Commands: []*cli.Command{
			recordCommand(args),
			analyzeCommand(),
			kitsCommand(),
			versionCommand(),
			helpCommand(),
		},
		Action:         noCommand,
		OnUsageError:   badFlag(args),
		ExitErrHandler: func(*cli.Context, error) {}, // exit.go decides
	}
	for _, c := range app.Commands {
		prepare(c, app.OnUsageError)
	}
	return app
}

// prepare makes wrong flags of a command, and of its subcommands, errors of ours, one line and a hint instead of the whole help; and
// takes away cli's own subcommand "help", which a capture or a command to record may be called.
func prepare(c *cli.Command, badFlag cli.OnUsageErrorFunc) {
	c.HideHelpCommand = true
	c.OnUsageError = badFlag
	for _, sub := range c.Subcommands {
		prepare(sub, badFlag)
	}
}

// noCommand runs when the first argument names no command.
func noCommand(c *cli.Context) error {
	switch {
	case c.Bool("version"):
		return printVersion(c)
	case c.NArg() == 0:
		return cli.ShowAppHelp(c)
	}
	return unknownCommand(c.App.Name, c.Args().First(), commandNames(c.App.Commands))
}
