package analyze

import (
	"slices"

	"probetape/analyze/report"
)

// group is one group of the result, all workers and captures together.
type group[T any] struct {
	values []report.Value // of the keys
	sum    T
}

// groups are the groups of a result by their values.
type groups[T any] struct {
	keys []key
	by   map[string]*group[T]
	code []byte
}

func newGroups[T any](keys []key) *groups[T] {
	return &groups[T]{keys: keys, by: map[string]*group[T]{}}
}

// at returns the group with these values, making it where there is none.
func (g *groups[T]) at(values []report.Value) (*group[T], error) {
	g.code = encodeValues(g.code[:0], values)
	if at, ok := g.by[string(g.code)]; ok {
		return at, nil
	}
	if len(g.by) >= maxGroups {
		return nil, &TooManyGroupsError{By: keyNames(g.keys), Limit: maxGroups}
	}
	at := &group[T]{values: values}
	g.by[string(g.code)] = at
	return at, nil
}

// sorted returns the groups in order: by weight, the heaviest first, then by their values.
func (g *groups[T]) sorted(weight func(*T) uint64) []*group[T] {
	type weighed struct {
		*group[T]
		weight uint64
	}
	list := make([]weighed, 0, len(g.by))
	for _, at := range g.by {
		list = append(list, weighed{at, weight(&at.sum)})
	}
	slices.SortFunc(list, func(a, b weighed) int {
		switch {
		case a.weight > b.weight:
			return -1
		case a.weight < b.weight:
			return 1
		}
		return slices.CompareFunc(a.values, b.values, report.Value.Compare)
	})
	sorted := make([]*group[T], len(list))
	for i := range list {
		sorted[i] = list[i].group
	}
	return sorted
}

// rowKeys splits a group's values into the table and site, which rows show in columns of their own, and the others.
func rowKeys(keys []key, values []report.Value) (table, site *string, others []report.Key) {
	for i, k := range keys {
		switch k.kind {
		case keyTable:
			table = &values[i].Text
		case keySite:
			site = &values[i].Text
		default:
			others = append(others, report.Key{Name: k.name, Value: values[i]})
		}
	}
	return table, site, others
}

// notes tells what a reader of rows grouped by these keys must know.
func keyNotes(keys []key, captures []*capture) []string {
	notes := []string{}
	hosts := map[string]bool{}
	for _, c := range captures {
		hosts[c.manifest.Host.Name] = true
	}
	apart := has(keys, keyHost) || has(keys, keyCapture)
	if len(hosts) < 2 || apart {
		return notes
	}
	for _, k := range keys {
		if k.kind.ofTask() && k.kind != keyComm && k.kind != keyExe || k.kind == keyCPU {
			return append(notes, "rows add up several hosts, though a "+k.name+" is of one host: --by host,"+k.name+" keeps them apart")
		}
	}
	return notes
}
