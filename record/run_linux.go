package record

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"probetape/record/attach"
	"probetape/record/decode"
	"probetape/record/launch"
	"probetape/record/proc"
	"probetape/schemas"
	"probetape/store"
)

// Recorder is one recording.
type Recorder struct {
	opts     Options
	prepared *Prepared
	create   func(sites []schemas.Site) (closer, error)
	procs    proc.FS
	clock    Clock
	stop     stopper
	command  *command
	kept     *privileges

	keepPrivileges bool // tests: a process that gives privileges up cannot take them back
}

// closer is a capture that must be closed.
type closer interface {
	Capture
	Close() error
}

// New makes a recording of a prepared program. held is the command that waits to be recorded, nil without one.
func New(opts Options, prepared *Prepared, held *launch.Held) *Recorder {
	if opts.Flush <= 0 {
		opts.Flush = DefaultFlush
	}
	r := &Recorder{opts: opts, prepared: prepared, procs: proc.FS{Root: proc.Mounted}, clock: hostClock{}}
	if held != nil {
		r.command = newCommand(held)
	}
	r.create = r.createCapture
	return r
}

// createCapture makes the capture on disk.
func (r *Recorder) createCapture(sites []schemas.Site) (closer, error) {
	o := store.CreateOptions{Tables: r.prepared.Program.Tables, Sites: sites}
	if r.opts.Owner != nil {
		o.Owner = &store.Owner{UID: r.opts.Owner.UID, GID: r.opts.Owner.GID}
	}
	w, err := store.Create(r.opts.Output, o)
	if err != nil {
		return nil, err // an interface that holds a nil *store.Writer would not be nil
	}
	return w, nil
}

// Stop ends the recording in good order. It may be called at any time, by anybody; the first reason counts.
func (r *Recorder) Stop(reason string) { r.stop.ask(reason) }

// CommandStarted reports whether the command has been released.
func (r *Recorder) CommandStarted() bool { return r.command != nil && r.command.started.Load() }

// CommandEnded reports whether the command has ended.
func (r *Recorder) CommandEnded() bool { return r.command != nil && r.command.ended() }

// WaitCommand waits for the end of a command that was started, which the recording may have outlived or not.
func (r *Recorder) WaitCommand() (launch.Status, error) {
	<-r.command.done
	return r.command.status, r.command.err
}

// Run records until something ends it, and returns how that went. With an error the result tells what was recorded before it; it is
// nil where nothing was.
func (r *Recorder) Run() (res *Result, err error) {
	host, err := describeHost()
	if err != nil {
		return nil, err
	}
	session, err := attach.Open(r.prepared.Program, attach.Options{BufferBytes: r.opts.BufferBytes, Cgroup: r.prepared.CgroupDir})
	if err != nil {
		return nil, r.prepared.refused(err)
	}
	defer func() { err = errors.Join(err, session.Close()) }()

	mount, err := cgroupMount()
	if err != nil {
		return nil, err
	}
	names := &cgroupNames{mount: mount, clock: r.clock}
	table := newTasks(r.procs, names.path)

	// The programs that follow tasks come first: no child escapes between the reading of /proc and the recording.
	if err := session.AttachTasks(); err != nil {
		return nil, err
	}
	targets, err := r.target(session, table)
	if err != nil {
		return nil, errors.Join(err, session.Detach())
	}
	sites, notes, err := r.attach(session)
	if err != nil {
		return nil, errors.Join(err, session.Detach())
	}
	if why := r.stop.reason(); why != "" {
		return nil, errors.Join(&StoppedError{Reason: why}, session.Detach())
	}
	start := r.clock.Boot()
	capture, err := r.create(sites)
	if err != nil {
		return nil, errors.Join(err, session.Detach())
	}
	l := r.newLoop(kernel{session}, capture, table, r.prepared.manifest(&r.opts, host, targets, start))
	l.log = append(l.log, notes...)
	res, err = r.record(l)
	if res != nil {
		res.Attached, res.Refused = countAttached(notes, len(sites))
	}
	return res, errors.Join(err, capture.Close())
}

// kernel is a session as the loop wants it.
type kernel struct{ *attach.Session }

func (k kernel) DrainEvents(wait time.Duration, fn func(int, []byte) error) error {
	return k.Events().Drain(wait, fn)
}
func (k kernel) DrainTasks(fn func(int, []byte) error) error { return k.Tasks().Drain(0, fn) }
func (k kernel) LostTasks() uint64                           { return k.Tasks().Lost() }
func (k kernel) Interrupt() error                            { return k.Events().Interrupt() }

// target makes the targets known to the kernel, fills the table of tasks from /proc, and returns the targets in words.
func (r *Recorder) target(session *attach.Session, table *tasks) ([]string, error) {
	t := r.opts.Targets
	all, err := addTargets(r.procs, session.AddTargets, t.PIDs, t.Children)
	if err != nil {
		return nil, err
	}
	if t.Command {
		if err := session.Arm(r.command.held.PID); err != nil {
			return nil, err
		}
		all = append(all, r.command.held.PID)
	}
	matches := map[uint32]*Match{}
	inCgroup := map[uint32]bool{}
	err = r.procs.Each(func(seen proc.Task) error {
		k := table.seed(seen)
		if r.prepared.CgroupPath != "" && below(seen.Cgroup, r.prepared.CgroupPath) {
			inCgroup[seen.PID] = true
			table.target(k)
		}
		if !slices.Contains(all, seen.PID) {
			return nil
		}
		table.target(k)
		m := matches[seen.PID]
		if m == nil {
			m = &Match{PID: seen.PID, Comm: seen.Comm, Descendant: !slices.Contains(t.PIDs, seen.PID)}
			matches[seen.PID] = m
		}
		m.Threads++
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r.describe(all, matches, len(inCgroup)), nil
}

// below reports whether a cgroup is another one or lies in it.
func below(path, top string) bool {
	return path == top || top == "/" || strings.HasPrefix(path, top+"/")
}

// describe says in words whose events are recorded.
func (r *Recorder) describe(pids []uint32, matches map[uint32]*Match, inCgroup int) []string {
	t := r.opts.Targets
	var words []string
	if r.command != nil {
		w := "command " + r.command.held.Name()
		if !t.Command {
			w += " sets the end"
		}
		words = append(words, w)
	}
	switch {
	case t.All:
		words = append(words, "every task of the host but the recorder")
	case t.Cgroup != "":
		words = append(words, fmt.Sprintf("cgroup %s (%s now)", r.prepared.CgroupPath, plural(inCgroup, "process")))
	}
	var list []Match
	for _, pid := range pids {
		if m := matches[pid]; m != nil && (r.command == nil || pid != r.command.held.PID) {
			list = append(list, *m)
		}
	}
	words = append(words, describeMatches(list)...)
	if len(t.PIDs) > 0 || t.Command {
		if t.Children {
			words = append(words, "and the children they start")
		} else {
			words = append(words, "without children")
		}
	}
	return words
}

// attach attaches the sites, and returns them with what the kernel made of each, and a note for each that could not be.
func (r *Recorder) attach(session *attach.Session) ([]schemas.Site, []schemas.LogEntry, error) {
	results, err := session.Attach()
	if err != nil {
		return nil, nil, err
	}
	sites := make([]schemas.Site, len(r.prepared.Program.Sites))
	var notes []schemas.LogEntry
	attached := 0
	var first error
	for i := range sites {
		sites[i] = r.prepared.Program.Sites[i].Site
	}
	for _, res := range results {
		site := &sites[res.Site]
		site.Mechanism, site.Note = string(res.Mechanism), res.Note
		if res.Err == nil {
			attached++
			continue
		}
		if first == nil {
			first = res.Err
		}
		site.Note = "not attached: " + res.Err.Error()
		id := res.Site
		notes = append(notes, schemas.LogEntry{Time: r.clock.Boot(), Level: schemas.LogError, Text: fmt.Sprintf("%s: not attached: %v", site.Name, res.Err), Site: &id})
		r.notify(fmt.Sprintf("%s %s: not attached: %v", site.Kind, site.Name, res.Err))
	}
	if attached == 0 {
		return nil, nil, fmt.Errorf("attaching: none of %s could be attached: %w", plural(len(sites), "site"), first)
	}
	return sites, notes, nil
}

func countAttached(notes []schemas.LogEntry, sites int) (int, []string) {
	var refused []string
	for _, n := range notes {
		if n.Site != nil {
			refused = append(refused, n.Text)
		}
	}
	return sites - len(refused), refused
}

func (r *Recorder) notify(text string) {
	if r.opts.Notify != nil {
		r.opts.Notify(text)
	}
}

// newLoop puts the loop together.
func (r *Recorder) newLoop(session Session, capture Capture, table *tasks, manifest schemas.Manifest) *loop {
	sites := r.prepared.Sites()
	l := &loop{
		session: session, capture: capture, clock: r.clock, tasks: table,
		manifest: manifest,
		ledger:   newLedger(len(sites), manifest.Start),
		observer: r.opts.Observer,
		limits: &limits{maxBytes: r.opts.MaxBytes, space: func() (int64, int64, error) {
			return spaceOf(r.opts.Output)
		}},
		progress: r.opts.Progress,
		stop:     &r.stop,
		flush:    r.opts.Flush,
		cost:     func() (schemas.Cost, error) { return costOf(session.Stats) },
	}
	l.decoder = decode.New(decode.Config{
		Tables: r.prepared.Program.Tables, Sites: sites, Tasks: table, Emit: l.emit,
	})
	l.taskFn = l.takeTask
	table.fresh = l.readTasks
	return l
}

// record runs the loop between its beginning and its end.
func (r *Recorder) record(l *loop) (*Result, error) {
	r.notify("recording " + strings.Join(l.manifest.Targets, ", "))
	if err := r.begin(l); err != nil {
		return nil, errors.Join(err, l.session.Detach())
	}
	r.stop.onAsk(l.session.Interrupt)
	if r.opts.Duration > 0 {
		timer := time.AfterFunc(r.opts.Duration, func() { r.stop.ask(ReasonDuration) })
		defer timer.Stop()
	}
	// Who asked for the end before the beginning does not want the command to run.
	if r.command != nil && r.stop.reason() == "" {
		r.command.start(r.stop.ask)
	}
	reason, err := l.run()
	if err != nil {
		reason = ReasonError + ": " + err.Error()
	}
	l.manifest.EndReason = reason
	waiting, waitErr := r.waiting(l, true)
	if r.command != nil && r.command.ended() && r.command.err == nil {
		status := r.command.status.Code
		l.manifest.ExitStatus = &status
	}
	l.manifest.Ended = true
	finishErr := l.finish()
	r.stop.onAsk(nil)
	res := l.result(reason)
	res.Output, res.Targets = r.opts.Output, r.opts.Targets
	res.Blocked = waitingWords(waiting, l.tasks.nameOf)
	return res, errors.Join(err, waitErr, finishErr)
}

// begin writes what holds from the start, and gives up what the recording itself does not need.
func (r *Recorder) begin(l *loop) error {
	if _, err := l.readTasks(); err != nil {
		return err
	}
	if _, err := r.waiting(l, false); err != nil {
		return err
	}
	if err := r.dropPrivileges(l); err != nil {
		return err
	}
	sample, err := r.clock.Sample()
	if err != nil {
		return err
	}
	if err := l.capture.AddClock(sample); err != nil {
		return &CaptureError{Err: err}
	}
	l.nextClock = l.manifest.Start + int64(clockEvery)
	return l.bringUpToDate(nil, l.manifest.Start, l.manifest.Start)
}

// dropPrivileges gives up what the recording does not need, and logs what is kept.
func (r *Recorder) dropPrivileges(l *loop) error {
	if r.keepPrivileges {
		return nil
	}
	kept, err := dropPrivileges(r.opts.Owner, r.command != nil)
	if err != nil && (kept == nil || kept.active) {
		return err
	}
	r.kept = kept
	if err != nil {
		// The recording is as true with them as without.
		l.note(schemas.LogWarn, err.Error())
		return nil
	}
	l.note(schemas.LogInfo, "capabilities kept: "+kept.String())
	return nil
}

// waiting stores what every target is doing in the kernel.
func (r *Recorder) waiting(l *loop, atEnd bool) ([]schemas.Blocked, error) {
	list := l.tasks.watched(r.opts.Targets.All, r.prepared.Program.Config.SelfPID)
	if r.command != nil && !atEnd {
		// It waits to be released: what it does until then is the recorder's own.
		list = slices.DeleteFunc(list, func(k *task) bool { return k.PID == r.command.held.PID })
	}
	var rows []schemas.Blocked
	err := r.kept.withSpare(func() error {
		var more bool
		var err error
		rows, more, err = blockedTasks(r.procs, r.clock, list, atEnd, r.prepared.syscallName)
		if more {
			l.note(schemas.LogWarn, fmt.Sprintf("of %d tasks, only %d were asked what they wait for", len(list), maxBlocked))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := l.capture.AddBlocked(rows); err != nil {
		return nil, &CaptureError{Err: err}
	}
	return rows, nil
}
