package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"probetape/analyze"
	"probetape/record"
	"probetape/record/launch"
	"probetape/serve"
)

// runRecord is the command record.
//
//  1. Read the flags; with --dry-run check, compile, print, and leave.
//  2. Look whether this process may record and the targets exist, and bind --listen, before anything is touched.
//  3. Start the command, which waits: it must inherit nothing of what the recorder changes of its own.
//  4. Check the probe text against the host and compile it.
//  5. Record. A signal, the command's end, or a limit ends it.
//  6. Say where the capture is, what was lost and what to type next; wait for the command; return its status.
func runRecord(c *cli.Context, args []string) error {
	r, err := parseRecording(c, c.App.Reader)
	if err != nil {
		return err
	}
	r.opts.Args = args
	if r.opts.DryRun {
		return r.dry(c.App.Writer, c.App.ErrWriter)
	}
	s := &session{recording: r, status: newStatusLine(c.App.ErrWriter), stderr: c.App.ErrWriter}
	status, err := s.run()
	if status != nil {
		s.hintStray(c.Command.Flags, args, status.Code)
	}
	return s.exit(status, err)
}

// dry prints the plan.
func (r *recording) dry(stdout, stderr io.Writer) error {
	if err := record.CheckTargets(r.opts.Targets); err != nil {
		return err
	}
	prepared, err := record.Prepare(&r.opts)
	if err != nil {
		return err
	}
	if err := prepared.Notes.Render(stderr); err != nil {
		return err
	}
	return printPlan(stdout, prepared, &r.opts)
}

// session is one run of record.
type session struct {
	*recording
	status *statusLine
	stderr io.Writer
	ran    bool // the command ran
}

// run does steps 2 to 6. The status is the command's, nil where none ran.
func (s *session) run() (status *launch.Status, err error) {
	if err := record.CheckPrivileges(); err != nil {
		return nil, err
	}
	if err := record.CheckTargets(s.opts.Targets); err != nil {
		return nil, err
	}
	s.opts.Notify = func(text string) { s.status.say("%s", text) }
	var server *serve.Server
	if s.listen != "" {
		if server, err = serve.Listen(s.listen); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, server.Close()) }()
	}
	held, err := s.hold()
	if err != nil {
		return nil, err
	}
	if held != nil {
		defer func() { err = errors.Join(err, held.Abandon()) }()
	}
	prepared, err := record.Prepare(&s.opts)
	if err != nil {
		return nil, err
	}
	if err := prepared.Notes.Render(s.stderr); err != nil {
		return nil, err
	}
	return s.record(prepared, held, server)
}

// hold finds the user behind sudo, who owns the capture and runs the command, and starts the command, which waits.
func (s *session) hold() (*launch.Held, error) {
	user, err := launch.SudoUser(os.Getenv)
	if err != nil {
		return nil, err
	}
	if user != nil {
		s.opts.Owner = &record.Owner{UID: user.UID, GID: user.GID}
	}
	if len(s.command) == 0 {
		return nil, nil
	}
	command, err := launch.Find(s.command, os.Environ(), user)
	if err != nil {
		return nil, err
	}
	return launch.Start(command)
}

// record does steps 5 and 6.
func (s *session) record(prepared *record.Prepared, held *launch.Held, server *serve.Server) (*launch.Status, error) {
	// With a command the terminal is the command's.
	if held == nil && isTerminal(s.stderr) {
		s.opts.Progress = s.status.start()
	}
	if server != nil {
		metrics, err := analyze.NewMetrics(prepared.Program.Tables, prepared.Sites(), analyze.MetricsOptions{})
		if err != nil {
			return nil, err
		}
		s.opts.Observer = metrics
		server.Start(serve.Config{Metrics: func(w io.Writer) error { _, err := metrics.WriteTo(w); return err }})
		s.status.say("metrics at %s/metrics", server.URL())
	}
	rec := record.New(s.opts, prepared, held)
	var pass func(os.Signal) error
	if held != nil {
		pass = held.Signal
	}
	signals := watchSignals(rec, pass, s.status.say)
	defer signals.stop()

	res, err := rec.Run()
	s.status.stop()
	if res != nil {
		s.sayResult(res)
	}
	if !rec.CommandStarted() {
		return nil, err
	}
	if err == nil && !rec.CommandEnded() {
		s.status.say("waiting for command %s to end", held.Name())
	}
	status, commandErr := rec.WaitCommand()
	if commandErr != nil {
		return nil, errors.Join(commandErr, err)
	}
	s.ran = true
	return &status, err
}

// sayResult prints the last lines: where the capture is, what was lost, what to type next.
func (s *session) sayResult(res *record.Result) {
	say := s.status.say
	lost := "nothing was lost"
	if res.Lost > 0 {
		lost = fmt.Sprintf("%s LOST (%s)", countWords(res.Lost), share(res.Lost, res.Lost+res.Events))
	}
	say("recorded %s in %s, %s; ended by: %s", counted(res.Events, "event"), res.Elapsed.Round(time.Millisecond), lost, res.Reason)
	if res.Lost > 0 {
		say("why: %s; the capture counts them, and every analysis says so", res.LostWords())
		if res.BufferLost() {
			s.hint("larger buffers lose less: --buffer-size " + largerBuffer(s.opts.BufferBytes))
		}
	}
	var unread uint64
	var missed int64
	for _, t := range res.Totals {
		unread += t.Unread
		missed += max(t.Missed, 0)
	}
	if missed > 0 {
		say("the kernel skipped %s of probes, which are not among the events", counted(uint64(missed), "run"))
	}
	if unread > 0 {
		say("%s could not be read from the programs' memory and are null", counted(unread, "value"))
	}
	if res.Events == 0 && res.Lost == 0 {
		say("warning: no event at all: %s", res.WhyNone())
	}
	say("capture %s, %s; next: probetape analyze %s", res.Output, sizeWords(res.Bytes), shellWord(res.Output))
}

// hintStray says where a flag behind the command went, when the command failed.
func (s *session) hintStray(flags []cli.Flag, raw []string, status int) {
	if status == 0 {
		return
	}
	if flag := strayFlags(flags, raw, s.command); flag != "" {
		s.hint(fmt.Sprintf("%s came after the command and was given to it; record's own flags come before: probetape record %s -- %s",
			flag, flag, s.command[0]))
	}
}

func (s *session) hint(text string) {
	if _, err := fmt.Fprintln(s.stderr, "  hint: "+text); err != nil && s.status.err == nil {
		s.status.err = err
	}
}

// exit maps how it went to the program's exit status: the command's where there is one that ran, with the exceptions that
// docs/record.md lists.
func (s *session) exit(status *launch.Status, err error) error {
	var usage *usageError
	var notFound *launch.NotFoundError
	var cannotRun *launch.CannotRunError
	switch {
	case len(s.command) == 0 || errors.As(err, &usage) || isProbeText(err):
		return err
	case errors.As(err, &notFound):
		return &statusError{status: statusNotFound, err: err}
	case errors.As(err, &cannotRun):
		return &statusError{status: statusCannotRun, err: err}
	case status == nil:
		return &statusError{status: statusRecordFailed, err: err}
	case status.Code != 0:
		return &statusError{status: status.Code, err: err}
	case err != nil:
		return &statusError{status: statusRecordFailed, err: err}
	}
	return nil
}

// share writes a part of a whole as percent, never as nothing where it is something.
func share(part, whole uint64) string {
	if whole == 0 {
		return "0 %"
	}
	p := 100 * float64(part) / float64(whole)
	if p < 0.1 {
		return "under 0.1 %"
	}
	return fmt.Sprintf("%.1f %%", p)
}

// counted writes a number of things.
func counted(n uint64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return countWords(n) + " " + one + "s"
}

// largerBuffer is the size to try after one that was too small.
func largerBuffer(size int) string {
	const step = 4
	return strings.ReplaceAll(sizeWords(min(max(int64(size), 4096)*step, maxBufferSize)), ".0 ", "")
}

// shellWord quotes a word where a shell would take it apart.
func shellWord(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
