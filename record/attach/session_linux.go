package attach

import (
	"errors"

	"probetape/record/compile"
	"probetape/record/ring"
)

// errUnbuilt is replaced with the implementation that follows this signature.
var errUnbuilt = errors.New("attaching: not built yet")

// Session is a program loaded into the kernel.
//
// Its life: Open, AttachTasks, AddTargets (or Arm), Attach, then Flush and Counters now and then while Events and Tasks are read; at the
// end Detach, which returns when no program runs any more, a last Flush, a last reading of both buffers, Counters, Running, Close.
type Session struct{}

// Features tries out what the running kernel can do.
func Features() (compile.Features, error) { return compile.Features{}, errUnbuilt }

// Open loads a program. A program that the verifier refuses gives a *VerifierError with the place in the probe text.
func Open(prog *compile.Program, opts Options) (*Session, error) { return nil, errUnbuilt }

// Events returns the reader of the event samples, for package decode.
func (s *Session) Events() *ring.Reader { return nil }

// Tasks returns the reader of the task events: each sample is one schemas.WireTask, cut off after the used part of Exe.
func (s *Session) Tasks() *ring.Reader { return nil }

// AddTargets makes processes targets, by thread group id.
func (s *Session) AddTargets(tgids ...uint32) error { return errUnbuilt }

// Arm makes a process a target that is recorded from its next execve on, that call included.
func (s *Session) Arm(tgid uint32) error { return errUnbuilt }

// AttachTasks attaches the programs that follow tasks: creation, execve, renaming, exit. They come before AddTargets, so that no child
// escapes between the reading of /proc and the recording.
func (s *Session) AttachTasks() error { return errUnbuilt }

// Attach attaches the sites and returns one result for each, indexed by site. A site that fails does not stop the others.
func (s *Session) Attach() []SiteResult { return nil }

// Flush sends what the CPUs have collected. The samples are in the buffers when it returns.
func (s *Session) Flush() error { return errUnbuilt }

// Counters returns every site's counters, indexed by site. The slice is the session's and is overwritten by the next call.
func (s *Session) Counters() ([]Counts, error) { return nil, errUnbuilt }

// Running hands over the calls still under way as records (decode.Decoder.Record) with the end "running". fn's record is valid during the call.
// It is called after Detach.
func (s *Session) Running(fn func(record []byte) error) error { return errUnbuilt }

// Stats returns what the programs have cost so far.
func (s *Session) Stats() (Stats, error) { return Stats{}, errUnbuilt }

// Detach detaches every site, and the task programs, and returns when none of them runs any more.
func (s *Session) Detach() error { return errUnbuilt }

// Close frees everything. It is called after Detach, and may be called alone.
func (s *Session) Close() error { return errUnbuilt }
