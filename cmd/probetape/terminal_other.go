//go:build !linux

package main

import "io"

// Recording needs Linux; nothing else here asks about terminals.

func isTerminal(io.Writer) bool   { return false }
func terminalWidth(io.Writer) int { return 0 }
func inForeground() bool          { return false }
