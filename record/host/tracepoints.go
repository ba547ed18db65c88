package host

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"

	"probetape/record/host/tracefs"
	"probetape/record/resolve"
)

// findTracefs returns the mounted tracefs.
func (h *Host) findTracefs() (tracefs.FS, error) {
	var denied error
	for _, place := range tracefs.Places {
		f := tracefs.FS{Root: h.at(place)}
		mounted, err := f.Mounted()
		if mounted {
			return f, nil
		}
		if err != nil && denied == nil {
			denied = access("the kernel's tracepoints", place, err)
		}
	}
	if denied != nil {
		return tracefs.FS{}, denied
	}
	return tracefs.FS{}, access("the kernel's tracepoints", tracefs.Places[0], fs.ErrNotExist,
		"tracefs is not mounted: mount -t tracefs tracefs "+tracefs.Places[0])
}

func (h *Host) listTracepoints() ([]resolve.Tracepoint, error) {
	f, err := h.tracefs()
	if err != nil {
		return nil, err
	}
	events, err := f.Events()
	if err != nil {
		return nil, access("the list of tracepoints", f.Root, err)
	}
	list := make([]resolve.Tracepoint, len(events))
	for i, e := range events {
		list[i] = resolve.Tracepoint{Category: e.Category, Name: e.Name}
	}
	return list, nil
}

// Format implements resolve.Host.
func (h *Host) Format(category, name string) (*resolve.Format, error) {
	return h.formats.get(resolve.Tracepoint{Category: category, Name: name}, func() (*resolve.Format, error) {
		f, err := h.tracefs()
		if err != nil {
			return nil, err
		}
		format, err := f.Format(category, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("there is no tracepoint %s:%s: %w", category, name, fs.ErrNotExist)
		case err != nil:
			return nil, access("a tracepoint's format", path.Join(f.Root, "events", category, name, "format"), err)
		}
		out := &resolve.Format{ID: uint64(format.ID)}
		for _, list := range [][]tracefs.Field{format.Common, format.Fields} {
			for i := range list {
				out.Fields = append(out.Fields, formatField(&list[i]))
			}
		}
		return out, nil
	})
}

func formatField(f *tracefs.Field) resolve.FormatField {
	out := resolve.FormatField{
		Name: f.Name, Type: f.Type, Offset: f.Offset, Size: f.Size, Signed: f.Signed, Array: f.Array,
		DataLoc: f.Place == tracefs.DataLoc, RelLoc: f.Place == tracefs.RelLoc,
	}
	switch {
	case f.Array > 0:
		out.Type += "[" + strconv.Itoa(f.Array) + "]"
	case f.Place != tracefs.Fixed:
		out.Type += "[]"
	}
	return out
}
