package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// rearrange moves flags before the other arguments, since cli reads no flag behind the first of those. A command's own words are left as
// they are where its arguments belong to somebody else (ownArguments), and all of them behind "--".
func rearrange(app *cli.App, args []string) []string {
	if len(args) < 2 {
		return args
	}
	command := named(app.Commands, args[1])
	if command == nil || ownArguments(command) {
		return args
	}
	out, rest := slices.Clone(args[:2]), args[2:]
	for len(command.Subcommands) > 0 {
		at := firstWord(command.Flags, rest)
		if at < 0 {
			break
		}
		sub := named(command.Subcommands, rest[at])
		if sub == nil {
			break
		}
		out = append(out, rest[at])
		rest = slices.Delete(slices.Clone(rest), at, at+1)
		command = sub
	}
	flags, words := split(command.Flags, rest)
	out = append(out, flags...)
	if len(words) == 0 || len(flags) > 0 && flags[len(flags)-1] == rest[len(rest)-1] && takesValue(command.Flags, rest[len(rest)-1]) {
		return out // a last flag without its value must not take a word for it
	}
	return append(append(out, "--"), words...)
}

// ownArguments reports whether what follows a command's first argument belongs to a program that it runs.
func ownArguments(c *cli.Command) bool { return c.Name == recordName }

func named(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// firstWord returns the index of the first argument that is neither a flag nor a flag's value, -1 where there is none.
func firstWord(flags []cli.Flag, args []string) int {
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--":
			return -1
		case !isFlag(args[i]):
			return i
		case takesValue(flags, args[i]):
			i++
		}
	}
	return -1
}

// split separates flags, with their values, from the other words.
func split(flags []cli.Flag, args []string) (found, words []string) {
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--":
			return found, append(words, args[i+1:]...)
		case !isFlag(args[i]):
			words = append(words, args[i])
		case takesValue(flags, args[i]) && i+1 < len(args):
			found = append(found, args[i], args[i+1])
			i++
		default:
			found = append(found, args[i])
		}
	}
	return found, words
}

// isFlag reports whether an argument looks like a flag; "-" alone is standard input.
func isFlag(arg string) bool { return len(arg) > 1 && arg[0] == '-' }

// takesValue reports whether the next argument is this flag's value. A flag that does not exist takes none: cli refuses it anyhow.
func takesValue(flags []cli.Flag, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return false
	}
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			_, isBool := f.(*cli.BoolFlag)
			return !isBool
		}
	}
	return false
}
