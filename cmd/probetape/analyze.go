package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"probetape/analyze"
	csvrender "probetape/analyze/render/csv"
	jsonrender "probetape/analyze/render/json"
	"probetape/analyze/render/prom"
	"probetape/analyze/render/table"
	"probetape/analyze/report"
)

// defaultTop is how many rows a table shows. JSON and CSV are read by programs, which want all of them.
const defaultTop = 20

// The output formats.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatCSV   = "csv"
)

func analyzeCommand() *cli.Command {
	return &cli.Command{
		Name:      "analyze",
		Usage:     "what a capture says: anywhere, without privileges",
		ArgsUsage: "CAPTURE...",
		Description: "probetape analyze incident.tape                   what happened, and whether anything was missed\n" +
			"probetape analyze counts incident.tape --by comm  how many events, by process name\n" +
			"probetape analyze latency incident.tape           how long calls took",
		Flags:  selectFlags(formatTable),
		Action: analysis(summary),
		Subcommands: []*cli.Command{
			{
				Name: "summary", Usage: "completeness, who was blocked, errors, slowest calls, time by site", ArgsUsage: "CAPTURE...",
				Flags: selectFlags(formatTable), Action: analysis(summary),
			},
			{
				Name: "counts", Usage: "how many events, how many failed", ArgsUsage: "CAPTURE...",
				Flags: append(selectFlags(formatTable), byFlag("table,site")), Action: analysis(counts),
			},
			{
				Name: "latency", Usage: "how long calls took, or how long it was from one event to another", ArgsUsage: "CAPTURE...",
				Flags: append(selectFlags(formatTable), byFlag("table,site"),
					&cli.StringFlag{Name: "start", Usage: "pair the events of this `TABLE` with those of --end"},
					&cli.StringFlag{Name: "end", Usage: "the `TABLE` of the events that end what --start begins"},
					&cli.StringSliceFlag{Name: "key", Usage: "`FIELD,...` by which events belong together; a=b where it is called a in --start's table, b in --end's (tid)"},
					&cli.BoolFlag{Name: "buckets", Usage: "print the distribution of each row too"},
				), Action: analysis(latency),
			},
			{
				Name: "events", Usage: "the events themselves, in the order of time", ArgsUsage: "CAPTURE...",
				Flags: selectFlags(formatTable), Action: analysis(events),
			},
			{
				Name: "prometheus", Usage: "counts and latencies as metrics, in Prometheus' text format", ArgsUsage: "CAPTURE...",
				Flags: append(windowFlags(), byFlag("table,site")), Action: analysis(prometheus),
			},
		},
	}
}

func windowFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "from", Usage: "from this `TIME` on: RFC 3339, HH:MM:SS (UTC), +30s from the start, -30s from the end"},
		&cli.StringFlag{Name: "to", Usage: "up to this `TIME`"},
		&cli.StringSliceFlag{Name: "table", Usage: "only these `TABLE,...`; globs such as 'open*'"},
		&cli.StringSliceFlag{Name: "site", Usage: "only these `SITE,...`; globs such as 'epoll_*'"},
		&cli.BoolFlag{Name: "strict", Usage: "exit with status 3 where the result is incomplete"},
	}
}

func selectFlags(format string) []cli.Flag {
	return append(windowFlags(),
		&cli.StringFlag{Name: "format", Usage: "`FORMAT` of the output: table, json or csv", Value: format},
		&cli.IntFlag{Name: "top", Usage: "print the first `N` rows; 0: all (tables: 20 of each list, all events)"},
	)
}

func byFlag(otherwise string) cli.Flag {
	return &cli.StringSliceFlag{Name: "by", Usage: "group by `KEY,...`: table, site, comm, pid, tid, cpu, a field, ... (" + otherwise + ")"}
}

// analysis is an Action that opens the captures, runs one analysis, and closes them.
func analysis(run func(*query) error) cli.ActionFunc {
	return func(c *cli.Context) (err error) {
		q, err := parseQuery(c)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, q.close()) }()
		out := bufio.NewWriterSize(c.App.Writer, 64<<10)
		q.out = out
		if err := run(q); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
		if q.incomplete && q.format == formatCSV {
			// CSV has rows and nothing else: what holds for all of them is said beside it.
			if _, err := fmt.Fprintln(c.App.ErrWriter, "probetape: "+shortfall(q.missing)); err != nil {
				return err
			}
		}
		if q.strict && q.incomplete {
			return errIncomplete
		}
		return nil
	}
}

// shortfall says what a result lacks.
func shortfall(c report.Completeness) string {
	var why []string
	for _, r := range c.Reasons {
		why = append(why, r.Text)
	}
	text := fmt.Sprintf("incomplete: %s lost", counted(c.Lost, "event"))
	if len(why) > 0 {
		text += ": " + strings.Join(why, "; ")
	}
	return text
}

// query is what the command line of an analysis asks for.
type query struct {
	*cli.Context
	sources []analyze.Source
	opened  []io.Closer
	sel     analyze.Select
	format  string
	top     int
	by      []string
	start   string // tables whose events latency pairs, and the fields that pair them
	end     string
	key     []string
	strict  bool

	out        io.Writer
	incomplete bool                // set by the analysis
	missing    report.Completeness // and what is missing, but for metrics, which have it among them
}

func parseQuery(c *cli.Context) (*query, error) {
	q := &query{Context: c, strict: c.Bool("strict"), format: c.String("format"), by: words(c.StringSlice("by"))}
	if c.NArg() == 0 {
		return nil, noCapture(c)
	}
	if q.format != "" && !slices.Contains([]string{formatTable, formatJSON, formatCSV}, q.format) {
		return nil, unknownFormat(q.format)
	}
	if c.IsSet("by") && len(q.by) == 0 {
		return nil, usagef("--by site,comm", "--by: the list is empty")
	}
	q.top = c.Int("top")
	switch {
	case q.top < 0:
		return nil, usagef("0 prints all rows", "--top: %d is below zero", q.top)
	case !c.IsSet("top") && q.format == formatTable && c.Command.Name != "events":
		q.top = defaultTop
	}
	q.start, q.end, q.key = c.String("start"), c.String("end"), words(c.StringSlice("key"))
	const pairs = "probetape analyze latency --start issue --end complete --key dev,sector CAPTURE"
	switch {
	case (q.start == "") != (q.end == ""):
		return nil, usagef(pairs, "--start and --end go together")
	case q.start == "" && c.IsSet("key"):
		return nil, usagef(pairs, "--key goes with --start and --end")
	}
	var err error
	for _, bound := range []struct {
		name string
		into *analyze.Moment
	}{{"from", &q.sel.From}, {"to", &q.sel.To}} {
		if !c.IsSet(bound.name) {
			continue
		}
		if *bound.into, err = analyze.ParseMoment(c.String(bound.name)); err != nil {
			return nil, &usageError{msg: "--" + bound.name + ": " + err.Error(), hints: hintsOf(err), err: err}
		}
	}
	q.sel.Tables, q.sel.Sites = words(c.StringSlice("table")), words(c.StringSlice("site"))
	return q, q.open(c.Args().Slice())
}

// words takes the lists of a flag that may be repeated apart.
func words(lists []string) []string {
	var all []string
	for _, list := range lists {
		all = append(all, strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	return all
}

func noCapture(c *cli.Context) error {
	hint := fmt.Sprintf("%s incident.tape", c.Command.HelpName)
	found, err := filepath.Glob("*.tape")
	if err == nil && len(found) > 0 {
		hint = fmt.Sprintf("%s %s", c.Command.HelpName, shellWord(found[len(found)-1]))
	}
	return usagef(hint, "no capture is named")
}

func unknownFormat(name string) error {
	hint := "the formats are table, json and csv"
	switch strings.ToLower(name) {
	case "prometheus", "prom", "openmetrics":
		hint = "metrics are an analysis of their own: probetape analyze prometheus CAPTURE"
	}
	return usagef(hint, "--format: unknown format %q", name)
}

func (q *query) open(paths []string) error {
	for _, path := range paths {
		source, closer, err := openCapture(path)
		if err != nil {
			return errors.Join(captureError(q.Context, path, err), q.close())
		}
		q.sources, q.opened = append(q.sources, source), append(q.opened, closer)
	}
	return nil
}

func (q *query) close() error {
	var errs []error
	for _, c := range q.opened {
		errs = append(errs, c.Close())
	}
	q.opened = nil
	return errors.Join(errs...)
}

// write renders a report as asked for.
func (q *query) write(r any) error {
	switch q.format {
	case formatJSON:
		return jsonrender.Write(q.out, r)
	case formatCSV:
		return csvrender.Write(q.out, r)
	}
	return table.Write(q.out, r)
}

func summary(q *query) error {
	r, err := analyze.Summary(q.ctx(), q.sources, analyze.SummaryOptions{Select: q.sel, Top: q.top})
	if err != nil {
		return err
	}
	q.lacks(r.Completeness)
	return q.write(r)
}

func counts(q *query) error {
	r, err := analyze.Counts(q.ctx(), q.sources, analyze.CountsOptions{Select: q.sel, By: q.by, Top: q.top})
	if err != nil {
		return err
	}
	q.lacks(r.Completeness)
	return q.write(r)
}

func latency(q *query) error {
	opts := analyze.LatencyOptions{
		Select: q.sel, By: q.by, Top: q.top, Buckets: q.Bool("buckets"), Start: q.start, End: q.end, Key: q.key,
	}
	r, err := analyze.Latency(q.ctx(), q.sources, opts)
	if err != nil {
		return err
	}
	q.lacks(r.Completeness)
	return q.write(r)
}

func events(q *query) error {
	list, err := analyze.Events(q.ctx(), q.sources, analyze.EventsOptions{Select: q.sel, Limit: uint64(q.top)})
	if err != nil {
		return err
	}
	var render func(io.Writer, report.EventSource) error
	switch q.format {
	case formatJSON:
		render = jsonrender.Events
	case formatCSV:
		render = csvrender.Events
	default:
		render = table.Events
	}
	if err := render(q.out, list); err != nil {
		return err
	}
	q.lacks(list.Tail().Completeness)
	return nil
}

func prometheus(q *query) error {
	m, err := analyze.Prometheus(q.ctx(), q.sources, analyze.PrometheusOptions{Select: q.sel, By: q.by})
	if err != nil {
		return err
	}
	q.incomplete = m.Incomplete
	return prom.Write(q.out, m)
}

func (q *query) lacks(c report.Completeness) { q.incomplete, q.missing = c.Incomplete, c }

func (q *query) ctx() context.Context { return q.Context.Context }
