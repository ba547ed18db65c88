// Package kits holds the ready-made probe programs: plain probe text, embedded as it is printed and documented.
//
// It imports the standard library only; the text is parsed by whoever uses it.
package kits

import (
	"embed"
	"path"
	"slices"
	"strings"
)

//go:embed text/*.probes
var texts embed.FS

// Kit is one ready-made probe program.
type Kit struct {
	Name    string
	Summary string // the text's first comment line
	Text    string
}

// Default is the kit that is recorded where no probe is named.
const Default = "syscalls"

// All returns the kits in order of their names.
func All() []Kit {
	entries, err := texts.ReadDir("text")
	if err != nil {
		// The folder is part of the program: without it nothing was built.
		panic("kits: " + err.Error())
	}
	all := make([]Kit, 0, len(entries))
	for _, e := range entries {
		text, err := texts.ReadFile(path.Join("text", e.Name()))
		if err != nil {
			panic("kits: " + err.Error())
		}
		all = append(all, Kit{
			Name:    strings.TrimSuffix(e.Name(), ".probes"),
			Summary: summary(string(text)),
			Text:    string(text),
		})
	}
	slices.SortFunc(all, func(a, b Kit) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Find returns the kit called name.
func Find(name string) (Kit, bool) {
	for _, k := range All() {
		if k.Name == name {
			return k, true
		}
	}
	return Kit{}, false
}

// summary is the first line of text without its comment sign.
func summary(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(strings.TrimPrefix(line, "#"))
}
