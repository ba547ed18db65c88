// Package report holds the values that analyses give and renderers show: plain data, with the keys that the JSON output has.
//
// It imports the standard library only. Every number that may be short of the truth stands beside what was lost; every renderer prints
// that too. Keys are snake_case, durations are whole nanoseconds and their keys end in _ns, moments are RFC 3339 strings in UTC.
package report
