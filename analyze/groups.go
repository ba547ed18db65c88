package analyze

import (
	"encoding/binary"

	"probetape/analyze/report"
	"probetape/schemas"
)

// maxGroups is how many groups an analysis keeps; each takes from a hundred bytes to some thousands.
const maxGroups = 1 << 20

// classes are the parts of keys that follow from a row's site and task, numbered, so that grouping a row takes two look-ups. They are made
// once for a capture and shared by its workers.
type classes struct {
	c    *capture
	keys []key

	site       []uint32         // by site
	siteValues [][]report.Value // by class, in the order of keys

	tasks      *taskTable // nil: no key follows from the task
	byName     bool       // a key follows from the name that a task had
	first      []uint32   // by task: where its classes begin in task, one for each of its names if byName
	task       []uint32
	taskValues [][]report.Value // by class; class 0 is of unknown tasks
}

func newClasses(c *capture, keys []key) (*classes, error) {
	g := &classes{c: c, keys: keys, byName: has(keys, keyComm) || has(keys, keyExe)}
	known := map[string]uint32{}
	g.site = make([]uint32, len(c.sites))
	for i := range c.sites {
		g.site[i] = classOf(known, &g.siteValues, siteKeyValues(c, schemas.SiteID(i), keys))
	}
	for _, k := range keys {
		if k.kind.ofTask() {
			var err error
			if g.tasks, err = c.tasksOf(); err != nil {
				return nil, err
			}
			g.classifyTasks()
			break
		}
	}
	return g, nil
}

func (g *classes) classifyTasks() {
	known := map[string]uint32{}
	classOf(known, &g.taskValues, make([]report.Value, len(g.keys)))
	g.first = make([]uint32, len(g.tasks.tasks))
	for i := range g.tasks.tasks {
		t := &g.tasks.tasks[i]
		g.first[i] = uint32(len(g.task))
		g.task = append(g.task, classOf(known, &g.taskValues, taskKeyValues(t, 0, g.keys)))
		if !g.byName {
			continue
		}
		for n := 1; n < len(t.Names); n++ {
			g.task = append(g.task, classOf(known, &g.taskValues, taskKeyValues(t, n, g.keys)))
		}
	}
}

// taskClass returns the class of a task at a time.
func (g *classes) taskClass(id schemas.TaskID, boot int64) uint32 {
	i := g.tasks.index(id)
	if i < 0 {
		return 0
	}
	at := g.first[i]
	if g.byName {
		at += uint32(nameIndex(&g.tasks.tasks[i], boot))
	}
	return g.task[at]
}

func classOf(known map[string]uint32, values *[][]report.Value, v []report.Value) uint32 {
	code := string(encodeValues(nil, v))
	class, ok := known[code]
	if !ok {
		class = uint32(len(*values))
		known[code] = class
		*values = append(*values, v)
	}
	return class
}

// siteKeyValues returns the values of the keys that follow from a site; the others are null.
func siteKeyValues(c *capture, s schemas.SiteID, keys []key) []report.Value {
	v := make([]report.Value, len(keys))
	for i, k := range keys {
		switch k.kind {
		case keyCapture:
			v[i] = textValue(c.Name())
		case keyHost:
			v[i] = textValue(c.manifest.Host.Name)
		case keyTable:
			v[i] = textValue(c.tables[c.sites[s].Table].Name)
		case keySite:
			v[i] = textValue(c.labels[s])
		}
	}
	return v
}

// taskKeyValues returns the values of the keys that follow from a task under its name n; the others are null.
func taskKeyValues(t *schemas.Task, n int, keys []key) []report.Value {
	v := make([]report.Value, len(keys))
	number := func(n uint32) report.Value { return report.Value{Kind: report.Int, Int: int64(n)} }
	for i, k := range keys {
		switch k.kind {
		case keyTask:
			v[i] = textValue(taskLabel(t))
		case keyComm:
			if n < len(t.Names) {
				v[i] = textValue(t.Names[n].Comm)
			}
		case keyExe:
			if exe := exeAt(t, n); exe != "" {
				v[i] = textValue(exe)
			}
		case keyPID:
			v[i] = number(t.PID)
		case keyTID:
			v[i] = number(t.TID)
		case keyUID:
			v[i] = number(t.UID)
		case keyPPID:
			v[i] = number(t.ParentPID)
		case keyCgroup:
			if t.Cgroup != "" {
				v[i] = textValue(t.Cgroup)
			}
		}
	}
	return v
}

func textValue(s string) report.Value {
	return report.Value{Kind: report.Text, Text: validUTF8([]byte(s))}
}

// encodeValues appends values so that equal ones, and only those, have equal bytes.
func encodeValues(b []byte, values []report.Value) []byte {
	for _, v := range values {
		kind := byte(v.Kind) << 1
		if v.Cut {
			kind |= 1
		}
		b = append(b, kind)
		if v.Kind == report.Text || v.Kind == report.Name {
			b = binary.AppendUvarint(b, uint64(len(v.Text)))
			b = append(b, v.Text...)
		} else if v.Kind != report.Null {
			b = binary.LittleEndian.AppendUint64(b, uint64(v.Int))
		}
	}
	return b
}
