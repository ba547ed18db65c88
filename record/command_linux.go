package record

import (
	"sync/atomic"

	"probetape/record/launch"
)

// command is the recorded command's life.
type command struct {
	held    *launch.Held
	started atomic.Bool
	done    chan struct{} // closed when it has ended; status and err are set by then
	status  launch.Status
	err     error
}

func newCommand(held *launch.Held) *command { return &command{held: held, done: make(chan struct{})} }

// start releases the command. Its end ends the recording.
func (c *command) start(stop func(reason string)) {
	c.started.Store(true)
	go func() {
		refused := c.held.Release()
		c.status, c.err = c.held.Wait()
		reason := ReasonCommand
		if refused != nil {
			c.err, reason = refused, ReasonNoCommand
		}
		close(c.done)
		stop(reason)
	}()
}

// ended reports whether the command has ended.
func (c *command) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
