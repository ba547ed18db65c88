package table

import (
	"bufio"
	"strings"

	"probetape/analyze/report"
)

// head writes how far the numbers can be trusted, first of all, and what they are of.
func head(w *bufio.Writer, h *report.Head) {
	completeness(w, &h.Completeness)
	for _, c := range h.Captures {
		say(w, "%s  host %s, kernel %s, %s to %s", plain(c.Name), plain(c.Host), plain(c.Kernel), moment(c.Start), clockTime(c.End))
		if c.Ended {
			say(w, ", ended: %s\n", plain(c.EndReason))
		} else {
			say(w, ", not ended\n")
		}
	}
	if !h.Window.Whole {
		say(w, "window  %s to %s, %s\n", moment(h.Window.From), clockTime(h.Window.To), span(h.Window.DurationNS))
	}
}

func completeness(w *bufio.Writer, c *report.Completeness) {
	if !c.Incomplete {
		say(w, "complete: nothing was lost\n")
		return
	}
	var parts []string
	if c.Lost > 0 {
		upTo := ""
		if !c.LostExact {
			upTo = "up to "
		}
		parts = append(parts, upTo+plural(c.Lost, "event")+" lost")
	}
	if c.Missed > 0 {
		parts = append(parts, plural(c.Missed, "probe run")+" skipped by the kernel")
	}
	if len(parts) == 0 {
		parts = append(parts, "how much is missing is not known")
	}
	say(w, "INCOMPLETE: %s", strings.Join(parts, ", "))
	if c.LostFrom.Known {
		say(w, ", between %s and %s", clockTime(c.LostFrom), clockTime(c.LostTo))
	}
	say(w, "\n")
	if worst := c.Worst; worst != nil {
		say(w, "  most at %s %s: %s lost", plain(worst.Table), plain(worst.Site), number(worst.Lost))
		if worst.Attempted != nil {
			say(w, " of %s; the true count is between %s and %s", number(*worst.Attempted), number(*worst.Seen), number(*worst.Attempted))
		}
		say(w, "\n")
	}
	for _, r := range c.Reasons {
		say(w, "  %s", plain(r.Text))
		if r.Known && r.Count > 0 {
			say(w, ": %s", plural(r.Count, "event"))
		}
		switch {
		case r.From.Known && r.To.Known:
			say(w, ", %s to %s", clockTime(r.From), clockTime(r.To))
		case r.From.Known:
			say(w, ", from %s on", clockTime(r.From))
		}
		say(w, "\n")
	}
}
