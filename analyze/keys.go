package analyze

import (
	"fmt"
	"slices"
	"strings"

	"probetape/schemas"
)

// keyKind says what a key of --by takes from a row.
type keyKind uint8

// In three runs, by what they depend on: the site, the task, the row.
const (
	keyCapture keyKind = iota
	keyHost
	keyTable
	keySite

	keyTask
	keyComm
	keyPID
	keyTID
	keyUID
	keyPPID
	keyExe
	keyCgroup

	keyCPU
	keyErrno
	keyEnd
	keyField
)

func (k keyKind) ofSite() bool { return k <= keySite }
func (k keyKind) ofTask() bool { return k >= keyTask && k <= keyCgroup }

// named maps the words of --by that every capture has to keys.
var named = map[string]keyKind{
	"capture": keyCapture, "host": keyHost, "table": keyTable, "site": keySite,
	"task": keyTask, "comm": keyComm, "pid": keyPID, "tid": keyTID, "uid": keyUID, "ppid": keyPPID, "exe": keyExe, "cgroup": keyCgroup,
	"cpu": keyCPU, "errno": keyErrno, "end": keyEnd,
}

// key is one thing that rows are grouped by.
type key struct {
	kind  keyKind
	name  string // in reports
	field string // keyField: the field
}

// fieldPrefix tells a field from a key of the same name: --by field.comm.
const fieldPrefix = "field."

// reserved are the names that rows of reports have for themselves. A field of such a name is called field_NAME in them.
var reserved = map[string]bool{
	"table": true, "site": true, "count": true, "errors": true, "rate_per_second": true, "lost": true, "lost_exact": true, "missed": true, "incomplete": true,
	"min_ns": true, "p50_ns": true, "p90_ns": true, "p99_ns": true, "p999_ns": true, "max_ns": true, "mean_ns": true, "sum_ns": true,
	"unfinished": true, "denied": true, "out_of_range": true, "buckets": true,
}

// parseKeys reads the keys of --by. No keys are table and site.
func parseKeys(by []string, captures []*capture) ([]key, error) {
	if len(by) == 0 {
		by = []string{"table", "site"}
	}
	var keys []key
	for _, word := range by {
		k, err := parseKey(strings.TrimSpace(word), captures)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(keys, func(o key) bool { return o.name == k.name }) {
			return nil, wrongUse("name each key once", "grouping by %q twice", word)
		}
		keys = append(keys, k)
	}
	if len(keys) > maxKeys {
		return nil, wrongUse(fmt.Sprintf("up to %d keys make a group", maxKeys), "grouping by %d keys", len(keys))
	}
	return keys, nil
}

// maxKeys is how many keys a group may have.
const maxKeys = 16

func parseKey(word string, captures []*capture) (key, error) {
	if kind, ok := named[word]; ok {
		return key{kind: kind, name: word}, nil
	}
	field, qualified := strings.CutPrefix(word, fieldPrefix)
	fields := fieldNames(captures)
	if !fields[field] {
		known := fields
		if !qualified {
			for n := range named {
				known[n] = true
			}
		}
		return key{}, &UnknownNameError{What: "key", Name: word, Known: sortedNames(known)}
	}
	_, isKey := named[field]
	name := field
	if isKey || reserved[field] {
		name = "field_" + field
	}
	return key{kind: keyField, name: name, field: field}, nil
}

// fieldNames returns the names of all fields of the selected tables.
func fieldNames(captures []*capture) map[string]bool {
	names := map[string]bool{}
	for _, c := range captures {
		for _, t := range c.tableIDs {
			for _, f := range c.tables[t].Fields {
				names[f.Name] = true
			}
		}
	}
	return names
}

// keyNames returns what reports call the keys.
func keyNames(keys []key) []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	return names
}

// needs returns the columns that keys are made of.
func needs(keys []key) (base schemas.BaseColumns, fields []string) {
	for _, k := range keys {
		switch {
		case k.kind.ofTask():
			base |= schemas.ColTask | schemas.ColTime // a task's name depends on the time
		case k.kind == keyCPU:
			base |= schemas.ColCPU
		case k.kind == keyErrno:
			base |= schemas.ColErrno
		case k.kind == keyEnd:
			base |= schemas.ColEnd
		case k.kind == keyField:
			fields = append(fields, k.field)
		}
	}
	return base, fields
}

// has reports whether a kind is among the keys.
func has(keys []key, kind keyKind) bool {
	return slices.ContainsFunc(keys, func(k key) bool { return k.kind == kind })
}

// ofSiteOnly reports whether every key follows from the site.
func ofSiteOnly(keys []key) bool {
	return !slices.ContainsFunc(keys, func(k key) bool { return !k.kind.ofSite() })
}
