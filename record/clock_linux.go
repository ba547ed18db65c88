package record

import (
	"fmt"

	"golang.org/x/sys/unix"

	"probetape/schemas"
)

// hostClock is the running kernel's clocks.
type hostClock struct{}

// Boot reads CLOCK_BOOTTIME, the clock of bpf_ktime_get_boot_ns. The kernel has had it since 2.6.39: reading it cannot fail, and a
// failure would make every time of the recording wrong.
func (hostClock) Boot() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("reading the boot clock: " + err.Error())
	}
	return ts.Nano()
}

// sampleTries is how often the clocks are read for one sample: the reading that took the least time is the best one.
const sampleTries = 5

// Sample reads the boot clock, the monotonic clock and the time of day close together. The boot clock is read before and after: the
// middle is when the other two were read, give or take half the time between.
func (c hostClock) Sample() (schemas.ClockSample, error) {
	var best schemas.ClockSample
	for try := range sampleTries {
		var mono, real unix.Timespec
		before := c.Boot()
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono); err != nil {
			return best, fmt.Errorf("reading the monotonic clock: %w", err)
		}
		if err := unix.ClockGettime(unix.CLOCK_REALTIME, &real); err != nil {
			return best, fmt.Errorf("reading the time of day: %w", err)
		}
		after := c.Boot()
		half := (after - before + 1) / 2
		if try == 0 || half < best.Uncertainty {
			best = schemas.ClockSample{Boot: before + (after-before)/2, Mono: mono.Nano(), Real: real.Nano(), Uncertainty: half}
		}
	}
	return best, nil
}
