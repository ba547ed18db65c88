package analyze

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"probetape/analyze/errno"
	"probetape/analyze/report"
	"probetape/analyze/sourcetest"
	"probetape/schemas"
)

// rowText is a row's value of a key as a plain text, found without any of the code under test.
func rowText(c *sourcetest.Capture, r *sourcetest.Row, key string) string {
	site := c.SiteList[r.Site]
	var task *schemas.Task
	if r.Task != schemas.NoTask {
		task = &c.TaskList[r.Task]
	}
	table := c.TableList[site.Table]
	switch key {
	case "capture":
		return c.CaptureName
	case "host":
		return c.Man.Host.Name
	case "table":
		return table.Name
	case "site":
		if site.ABI == schemas.ABIi386 {
			return site.Name + "@i386"
		}
		return site.Name
	case "cpu":
		return fmt.Sprint(r.CPU)
	case "errno":
		if r.Errno == 0 {
			return "-"
		}
		return errno.Name(r.Errno)
	case "end":
		if !table.Call {
			return "-"
		}
		return r.End.String()
	case "comm", "pid", "tid", "uid", "ppid", "cgroup", "exe", "task":
		if task == nil {
			return "-"
		}
		switch key {
		case "comm":
			return task.NameAt(r.Time).Comm
		case "exe":
			return task.NameAt(r.Time).Exe
		case "pid":
			return fmt.Sprint(task.PID)
		case "tid":
			return fmt.Sprint(task.TID)
		case "uid":
			return fmt.Sprint(task.UID)
		case "ppid":
			return fmt.Sprint(task.ParentPID)
		case "cgroup":
			return cmpOr(task.Cgroup, "-")
		}
		return fmt.Sprintf("%s/%d", task.Names[len(task.Names)-1].Comm, task.TID)
	}
	at := table.FieldIndex(key)
	if at < 0 {
		return "-"
	}
	switch v := r.Fields[at].(type) {
	case nil:
		return "-"
	case sourcetest.Cut:
		return string(v) + "..."
	case string:
		return strings.ReplaceAll(v, "\xff", `\xff`)
	case int64:
		switch {
		case key == "arg0":
			return fmt.Sprintf("%#x", uint64(v))
		case (key == "retval" || key == "error") && v < 0:
			return errno.Name(uint16(-v))
		}
		return fmt.Sprint(v)
	}
	panic("no text")
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func valueText(v report.Value) string {
	switch v.Kind {
	case report.Null:
		return "-"
	case report.Text, report.Name:
		if v.Cut {
			return v.Text + "..."
		}
		return v.Text
	case report.Uint:
		return fmt.Sprint(uint64(v.Int))
	}
	return fmt.Sprint(v.Int)
}

// rowTexts returns a report's row's keys in the order of by.
func rowTexts(by []string, table, site *string, keys []report.Key) string {
	var texts []string
	for _, k := range by {
		switch k {
		case "table":
			texts = append(texts, *table)
		case "site":
			texts = append(texts, *site)
		default:
			i := slices.IndexFunc(keys, func(o report.Key) bool { return o.Name == k })
			texts = append(texts, valueText(keys[i].Value))
		}
	}
	return strings.Join(texts, " ")
}

// inWindow is the rule of windows, for the brute-force answer.
func inWindow(c *sourcetest.Capture, r *sourcetest.Row, from, to int64) bool {
	end := r.Time
	if c.TableList[c.SiteList[r.Site].Table].Call {
		switch r.End {
		case schemas.EndReturned:
			end += r.Duration
		case schemas.EndRunning:
			end = c.Man.End
		case schemas.EndThreadExited:
			if r.Task != schemas.NoTask {
				end = max(end, c.TaskList[r.Task].Exit)
			}
		}
	}
	return r.Time < to && (r.Time >= from || end > from)
}

func sources(captures []*sourcetest.Capture) []Source {
	list := make([]Source, len(captures))
	for i, c := range captures {
		list[i] = c
	}
	return list
}

// randomCaptures makes a few captures of different hosts.
func randomCaptures(seed uint64, rows int) []*sourcetest.Capture {
	r := rand.New(rand.NewPCG(seed, 7))
	list := make([]*sourcetest.Capture, 1+r.IntN(3))
	for i := range list {
		list[i] = sourcetest.Random(fmt.Sprintf("c%d.tape", i), r, rows)
		list[i].Man.Host.Name = fmt.Sprintf("host%d", i%2)
	}
	return list
}

var byTests = [][]string{
	nil, {"table"}, {"site"}, {"comm"}, {"pid", "site"}, {"tid"}, {"uid"}, {"ppid"}, {"exe"}, {"cgroup"}, {"task", "table"}, {"cpu"}, {"errno"}, {"end"},
	{"host"}, {"capture", "site"}, {"path"}, {"path", "site", "comm"}, {"arg0"}, {"retval"}, {"dev", "sector"}, {"error"}, {"rwbs", "cpu", "end", "errno", "comm"},
}

func TestCountsAgainstBruteForce(t *testing.T) {
	for seed := range uint64(6) {
		captures := randomCaptures(seed, 2000)
		for _, by := range byTests {
			for _, window := range [][2]string{{"", ""}, {"+20s", "+40s"}, {"", "-30s"}, {"+59s", ""}} {
				from, to := int64(0), int64(1<<62)
				opts := CountsOptions{By: by, Select: Select{Workers: int(seed % 4)}}
				opts.From, opts.To, from, to = bounds(t, window, from, to)
				got, err := Counts(context.Background(), sources(captures), opts)
				if err != nil {
					t.Fatal(err)
				}
				keys := by
				if keys == nil {
					keys = []string{"table", "site"}
				}
				want := map[string][2]uint64{}
				for _, c := range captures {
					for i := range c.Rows {
						r := &c.Rows[i]
						if !inWindow(c, r, from, to) {
							continue
						}
						var texts []string
						for _, k := range keys {
							texts = append(texts, rowText(c, r, k))
						}
						n := want[strings.Join(texts, " ")]
						n[0]++
						if r.Errno != 0 {
							n[1]++
						}
						want[strings.Join(texts, " ")] = n
					}
				}
				have := map[string][2]uint64{}
				last := ^uint64(0)
				for _, row := range got.Rows {
					if row.Count > last {
						t.Errorf("seed %d by %v: rows are not in order", seed, by)
					}
					last = row.Count
					if row.Count > 0 {
						have[rowTexts(keys, row.Table, row.Site, row.Keys)] = [2]uint64{row.Count, row.Errors}
					} else if row.Lost == 0 {
						t.Errorf("seed %d by %v: a row of nothing", seed, by)
					}
				}
				if diff := cmp.Diff(want, have); diff != "" {
					t.Fatalf("seed %d by %v window %v: counts differ (-brute force +got):\n%s", seed, by, window, diff)
				}
			}
		}
	}
}

// bounds reads a window for an analysis and for the brute force.
func bounds(t *testing.T, window [2]string, from, to int64) (Moment, Moment, int64, int64) {
	t.Helper()
	at := func(text string, def int64) (Moment, int64) {
		if text == "" {
			return Moment{}, def
		}
		m, err := ParseMoment(text)
		if err != nil {
			t.Fatal(err)
		}
		boot, err := m.resolve(span{start: sourcetest.Start, end: sourcetest.Start + sourcetest.Length})
		if err != nil {
			t.Fatal(err)
		}
		return m, boot
	}
	f, from := at(window[0], from)
	u, to := at(window[1], to)
	return f, u, from, to
}

func TestCountsAreTheSameEachTime(t *testing.T) {
	captures := randomCaptures(3, 3000)
	for _, by := range byTests {
		var first *report.Counts
		for workers := range 5 {
			got, err := Counts(context.Background(), sources(captures), CountsOptions{By: by, Select: Select{Workers: workers}, Top: 7})
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = got
			} else if diff := cmp.Diff(first, got); diff != "" {
				t.Errorf("by %v with %d workers:\n%s", by, workers, diff)
			}
		}
		var n uint64
		for _, row := range first.Rows {
			n += row.Count
		}
		if n+first.More.Count != first.Count || len(first.Rows) > 7 {
			t.Errorf("by %v: %d rows have %d events and %d more, of %d", by, len(first.Rows), n, first.More.Count, first.Count)
		}
	}
}
