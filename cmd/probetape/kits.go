package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"probetape/record/kits"
)

func kitsCommand() *cli.Command {
	return &cli.Command{
		Name:      "kits",
		Usage:     "ready-made probe programs, as readable text",
		ArgsUsage: "[NAME]",
		Action:    printKits,
	}
}

// printKits lists the kits, or prints the text of one.
func printKits(c *cli.Context) error {
	switch c.NArg() {
	case 0:
		return listKits(c)
	case 1:
	default:
		return usagef("probetape kits NAME", "kits takes one name, not %d", c.NArg())
	}
	kit, err := findKit(c.Args().First())
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(c.App.Writer, kit.Text)
	return err
}

func listKits(c *cli.Context) error {
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	for _, k := range kits.All() {
		if _, err := fmt.Fprintf(w, "%s\t%s\n", k.Name, k.Summary); err != nil {
			return err
		}
	}
	return w.Flush()
}

// findKit returns the kit of that name, or an error with the nearest one.
func findKit(name string) (kits.Kit, error) {
	if k, ok := kits.Find(name); ok {
		return k, nil
	}
	var names []string
	for _, k := range kits.All() {
		names = append(names, k.Name)
	}
	hint := "probetape kits lists them"
	if near := nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return kits.Kit{}, usagef(hint, "no kit is called %q", name)
}
