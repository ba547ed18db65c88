package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// cli keeps how a flag is printed in a variable; its own form says every name twice for a flag that may be repeated.
func init() { cli.FlagStringer = flagText }

// flagText is a flag's line of a help page: names, value, tab, what it does.
func flagText(f cli.Flag) string {
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return f.String()
	}
	value, usage := unquoteUsage(doc.GetUsage())
	names := make([]string, 0, len(f.Names()))
	for _, n := range f.Names() {
		names = append(names, dashed(n))
	}
	text := strings.Join(names, ", ")
	if doc.TakesValue() {
		text += " " + value
		if shown := doc.GetDefaultText(); shown != "" && shown != "0" {
			usage += " (" + strings.Trim(shown, `"`) + ")"
		}
	}
	return text + "\t" + usage
}

// unquoteUsage takes the value's name, which is between backquotes, out of a flag's usage.
func unquoteUsage(usage string) (value, text string) {
	before, rest, found := strings.Cut(usage, "`")
	name, after, closed := strings.Cut(rest, "`")
	if !found || !closed {
		return "VALUE", usage
	}
	return name, before + name + after
}

// helpCommand is our own, for the same errors as everywhere.
func helpCommand() *cli.Command {
	return &cli.Command{
		Name:      "help",
		Aliases:   []string{"h"},
		Usage:     "how a command is used",
		ArgsUsage: "[COMMAND]",
		Action:    printHelp,
	}
}

// printHelp prints a command's page, as --help does.
func printHelp(c *cli.Context) error {
	commands, path := c.App.Commands, []string{c.App.Name}
	for _, name := range c.Args().Slice() {
		command := named(commands, name)
		if command == nil {
			return unknownCommand(c.App.Name+" help", name, commandNames(commands))
		}
		path, commands = append(path, command.Name), command.Subcommands
	}
	return newApp(path, c.App.Reader, c.App.Writer, c.App.ErrWriter).Run(append(path, "--help"))
}

// commandNames lists the commands that are not hidden.
func commandNames(commands []*cli.Command) []string {
	names := make([]string, 0, len(commands))
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return names
}
