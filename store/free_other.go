//go:build !linux

package store

import "os"

// freeBytes is not known on this system.
func freeBytes(*os.Root) (int64, error) { return -1, nil }
