package record

import (
	"probetape/record/launch"
)

// command is the recorded command's life.
type command struct {
	held   *launch.Held
	done   chan struct{} // closed when it has ended
	status launch.Status
	err    error
}

// run releases the command, waits for its end, and then ends the recording.
func (c *command) run(stop func(reason string) error) {
	defer close(c.done)
	refused := c.held.Release()
	c.status, c.err = c.held.Wait()
	reason := ReasonCommand
	if refused != nil {
		c.err, reason = refused, ReasonNoCommand
	}
	if err := stop(reason); err != nil && c.err == nil {
		c.err = err
	}
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
