// Package serve answers HTTP requests for metrics and health: of a recording under way, or of a capture.
//
// It listens on loopback unless an address is written out, and is safe to leave running on a production host: every read, write and
// idle connection has a time-out, connections are bounded, and a page in somebody's browser cannot reach it by a name of its own
// (DNS rebinding).
//
// It imports the standard library only; what it serves is handed to it.
package serve
