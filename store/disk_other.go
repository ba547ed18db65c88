//go:build !unix

package store

import "os"

// syncFolder does nothing: a folder cannot be synced on this system.
func syncFolder(*os.File) error { return nil }
