package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"probetape/record"
	"probetape/record/attach"
	"probetape/record/compile"
	"probetape/record/resolve"
	"probetape/schemas"
)

// maxPlanSites is how many sites of a statement a plan lists by name.
const maxPlanSites = 24

// printPlan prints what a recording would do.
func printPlan(out io.Writer, p *record.Prepared, opts *record.Options) error {
	w := &planWriter{w: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	for i := range p.Plan.Statements {
		w.statement(&p.Plan.Statements[i], &p.Program.Stmts[i])
	}
	w.totals(p, opts)
	if w.err != nil {
		return w.err
	}
	return w.w.Flush()
}

// planWriter writes lines of cells, and keeps the first error.
type planWriter struct {
	w     *tabwriter.Writer
	begun bool
	err   error
}

// line writes cells that the lines around it align.
func (w *planWriter) line(cells ...string) {
	w.print(strings.Join(cells, "\t"))
}

// title writes a line of its own, which aligns with nothing.
func (w *planWriter) title(text string) {
	if w.begun {
		w.print("")
	}
	w.begun = true
	w.print(text)
}

func (w *planWriter) print(line string) {
	if w.err == nil {
		_, w.err = fmt.Fprintln(w.w, line)
	}
}

func (w *planWriter) statement(s *resolve.Statement, c *compile.StmtPlan) {
	kind := "a row for each event"
	if s.Table.Call {
		kind = "a row for each call"
	}
	w.title(fmt.Sprintf("table %s: %s", s.Table.Name, kind))
	w.line("  probe", oneLine(s.Text))
	w.line("  sites", siteList(s.Sites))
	w.line("  mechanism", fmt.Sprintf("%s: %s, %s", s.Kind, c.Mechanism, counted(uint64(c.Instructions), "instruction")))
	for i := range s.Table.Fields {
		f := &s.Table.Fields[i]
		label := ""
		if i == 0 {
			label = "  fields"
		}
		w.line(label, fieldText(f, s.Table.Call))
	}
	size := fmt.Sprintf("%d", c.FixedBytes)
	if c.MaxBytes > c.FixedBytes {
		size = fmt.Sprintf("%d to %d", c.FixedBytes, c.MaxBytes)
	}
	w.line("  event", size+" bytes on the way to the recorder")
	if s.Table.Call {
		w.line("  in flight", fmt.Sprintf("%s of kernel memory at most, for %s at once", sizeWords(int64(c.InFlightSize)), counted(uint64(c.InFlight), "call")))
	}
}

// siteList names the first sites, and says how many there are.
func siteList(sites []resolve.Site) string {
	var names []string
	for i := range sites {
		if i == maxPlanSites {
			names = append(names, fmt.Sprintf("and %d more", len(sites)-i))
			break
		}
		names = append(names, siteText(&sites[i]))
	}
	return fmt.Sprintf("%d: %s", len(sites), strings.Join(names, ", "))
}

func siteText(s *resolve.Site) string {
	text := s.Name
	if s.ABI == schemas.ABIi386 {
		text += " (i386)"
	}
	if s.Kind.User() && s.Module != "" {
		text += " in " + s.Module
	}
	return text
}

// fieldText describes a field: its name, its type, and when it is read.
func fieldText(f *schemas.Field, call bool) string {
	text := f.Name + " " + f.Type.String()
	if f.Type.Text() {
		text += fmt.Sprintf(", at most %d bytes", f.MaxLen)
	}
	switch {
	case f.AtExit:
		text += ", at the return"
	case call:
		text += ", at the entry"
	}
	return text
}

// oneLine brings a statement's text on one line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// totals says what the recording costs the host and what bounds it.
func (w *planWriter) totals(p *record.Prepared, opts *record.Options) {
	cpus := int64(max(p.Program.Config.CPUs, 1))
	buffer := pages(int64(opts.BufferBytes)) * cpus
	tasks := pages(attach.DefaultTaskBuffer) * cpus
	maps := p.Program.MapBytes()
	w.title("in all")
	w.line("  attached", fmt.Sprintf("nothing: this was a dry run of %s, %s, %s",
		counted(uint64(len(p.Program.Tables)), "table"), counted(uint64(len(p.Program.Sites)), "site"), counted(uint64(len(p.Program.Spec.Programs)), "program")))
	w.line("  kernel memory", fmt.Sprintf("%s at most: event buffers %s (%d CPUs), task buffers %s, maps %s",
		sizeWords(buffer+tasks+maps), sizeWords(buffer), cpus, sizeWords(tasks), sizeWords(maps)))
	w.line("  capture", fmt.Sprintf("%s, %s at most, brought up to date on disk every %v", opts.Output, sizeWords(opts.MaxBytes), opts.Flush))
	for _, note := range p.Plan.Notes {
		w.line("  note", note)
	}
	if p.Assumed != "" {
		w.line("  assumed", p.Assumed)
	}
}

// pages rounds a perf buffer up as the kernel wants it: a power of two of pages, and one more for its head.
func pages(bytes int64) int64 {
	page := int64(os.Getpagesize())
	n := page
	for n < bytes {
		n *= 2
	}
	return n + page
}
