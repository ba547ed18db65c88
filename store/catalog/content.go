package catalog

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"probetape/schemas"
)

// Content is what a catalogue holds, but for tasks, stacks and symbols. All of it is within the bounds of package schemas.
type Content struct {
	Major, Minor int
	Manifest     *schemas.Manifest // nil: the recording ended before it wrote one
	Tables       []schemas.Table
	Sites        []schemas.Site
	Segments     []schemas.Segment
	Totals       []schemas.SiteTotals
	Losses       []schemas.Loss
	Clock        []schemas.ClockSample
	Blocked      []schemas.Blocked
	Log          []schemas.LogEntry
	Txid         uint64 // of the transaction that was read; 0: salvaged
}

// load reads everything but what may be large.
func load(r rows) (*Content, error) {
	c := &Content{}
	if err := c.loadManifest(r); err != nil {
		return nil, err
	}
	if err := c.loadTables(r); err != nil {
		return nil, err
	}
	for _, step := range []func(rows) error{c.loadSegments, c.loadTotals, c.loadLosses, c.loadClock, c.loadBlocked, c.loadLog} {
		if err := step(r); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// bad notes that a value is not what it must be.
func bad(r rows, b bucket, offset int64, body []byte, err error) error {
	return r.problem(Problem{Offset: offset, Length: int64(len(body)), Cause: fmt.Sprintf("%s: %v", b, err)})
}

func (c *Content) loadManifest(r rows) error {
	found := false
	var manifest []byte
	var at int64
	err := r.each(bucketManifest, func(key, body []byte, offset int64) error {
		switch string(key) {
		case keyFormat:
			if len(body) < 4 {
				return bad(r, bucketManifest, offset, body, errRow)
			}
			c.Major, c.Minor = int(binary.BigEndian.Uint16(body)), int(binary.BigEndian.Uint16(body[2:]))
			found = true
		case keyManifest:
			manifest, at = slices.Clone(body), offset
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("reading %s: %w: the format's version is lost", FileName, ErrDamaged)
	}
	if c.Major > schemas.FormatMajor {
		newer := &VersionError{Major: c.Major, Minor: c.Minor}
		var by struct{ Tool schemas.Tool }
		if json.Unmarshal(manifest, &by) == nil && len(by.Tool.Version) <= 64 {
			newer.Tool = by.Tool.Version
		}
		return newer
	}
	if manifest == nil {
		return nil
	}
	m := &schemas.Manifest{}
	if err := json.Unmarshal(manifest, m); err != nil {
		return bad(r, bucketManifest, at, manifest, err)
	}
	m.Major, m.Minor = c.Major, c.Minor
	if err := schemas.ValidateManifest(m); err != nil {
		return bad(r, bucketManifest, at, manifest, err)
	}
	c.Manifest = m
	return nil
}

// loadTables reads tables and sites. Without all of them the rows mean nothing.
func (c *Content) loadTables(r rows) error {
	err := r.each(bucketTables, func(key, body []byte, offset int64) error {
		var t schemas.Table
		if err := json.Unmarshal(body, &t); err != nil {
			return bad(r, bucketTables, offset, body, err)
		}
		if len(c.Tables) >= schemas.MaxTables {
			return bad(r, bucketTables, offset, body, fmt.Errorf("more than %d", schemas.MaxTables))
		}
		c.Tables = append(c.Tables, t)
		return nil
	})
	if err != nil {
		return err
	}
	err = r.each(bucketSites, func(key, body []byte, offset int64) error {
		var s schemas.Site
		if err := json.Unmarshal(body, &s); err != nil {
			return bad(r, bucketSites, offset, body, err)
		}
		if len(c.Sites) >= schemas.MaxSites {
			return bad(r, bucketSites, offset, body, fmt.Errorf("more than %d", schemas.MaxSites))
		}
		c.Sites = append(c.Sites, s)
		return nil
	})
	if err != nil {
		return err
	}
	if err := errors.Join(schemas.ValidateTables(c.Tables), schemas.ValidateSites(c.Sites, c.Tables)); err != nil {
		return fmt.Errorf("reading %s: %w: %w", FileName, ErrDamaged, err)
	}
	return nil
}

// maxSiteCounts bounds the site counts of all segments together.
const maxSiteCounts = 1 << 23

func (c *Content) loadSegments(r rows) error {
	counts := 0
	return r.each(bucketSegments, func(key, body []byte, offset int64) error {
		s := source{b: body}
		g := readSegment(&s)
		if len(key) != 8 {
			s.fail(fmt.Errorf("key of %d bytes", len(key)))
		} else {
			g.ID = binary.BigEndian.Uint64(key)
		}
		counts += len(g.Sites)
		switch {
		case s.err != nil:
		case len(c.Segments) >= schemas.MaxEventFiles:
			s.err = fmt.Errorf("more than %d", schemas.MaxEventFiles)
		case counts > maxSiteCounts:
			s.err = fmt.Errorf("more than %d counts of sites", maxSiteCounts)
		default:
			s.err = schemas.ValidateSegment(&g, c.Tables, c.Sites)
		}
		if s.err != nil {
			return bad(r, bucketSegments, offset, body, s.err)
		}
		c.Segments = append(c.Segments, g)
		return nil
	})
}

func (c *Content) loadTotals(r rows) error {
	return eachSlot(r, bucketTotals, func(id uint32, s *source, offset int64) error {
		t := readTotals(s)
		t.Site = schemas.SiteID(id)
		if s.err == nil {
			s.err = schemas.ValidateTotals(&t, len(c.Sites))
		}
		if s.err != nil {
			return bad(r, bucketTotals, offset, nil, s.err)
		}
		c.Totals = append(c.Totals, t)
		return nil
	})
}

// eachSlot hands over what a bucket's blocks hold, with its number.
func eachSlot(r rows, b bucket, fn func(id uint32, s *source, offset int64) error) error {
	slots := make([][]byte, slotsOf(b))
	return r.each(b, func(key, body []byte, offset int64) error {
		if len(key) != 4 {
			return bad(r, b, offset, body, fmt.Errorf("key of %d bytes", len(key)))
		}
		block := uint64(binary.BigEndian.Uint32(key)) * uint64(len(slots))
		if block > 1<<32-uint64(len(slots)) {
			return bad(r, b, offset, body, fmt.Errorf("there is no block %d", block))
		}
		if err := splitBlock(body, slots); err != nil {
			return bad(r, b, offset, body, err)
		}
		for i, slot := range slots {
			if len(slot) == 0 {
				continue
			}
			if err := fn(uint32(block)+uint32(i), &source{b: slot}, offset); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *Content) loadLosses(r rows) error {
	return r.each(bucketLosses, func(key, body []byte, offset int64) error {
		s := source{b: body}
		from := len(c.Losses)
		c.Losses = readLosses(&s, c.Losses)
		for i := from; i < len(c.Losses) && s.err == nil; i++ {
			s.err = schemas.ValidateLoss(&c.Losses[i], len(c.Sites))
		}
		if s.err != nil {
			c.Losses = c.Losses[:from]
			return bad(r, bucketLosses, offset, body, s.err)
		}
		return nil
	})
}

func (c *Content) loadClock(r rows) error {
	return r.each(bucketClock, func(key, body []byte, offset int64) error {
		s := source{b: body}
		sample := readClock(&s)
		if s.err == nil {
			s.err = schemas.ValidateClock(&sample)
		}
		if s.err != nil {
			return bad(r, bucketClock, offset, body, s.err)
		}
		c.Clock = append(c.Clock, sample)
		return nil
	})
}

func (c *Content) loadBlocked(r rows) error {
	return r.each(bucketBlocked, func(key, body []byte, offset int64) error {
		var b schemas.Blocked
		err := json.Unmarshal(body, &b)
		if err == nil {
			err = schemas.ValidateBlocked(&b)
		}
		if err != nil {
			return bad(r, bucketBlocked, offset, body, err)
		}
		c.Blocked = append(c.Blocked, b)
		return nil
	})
}

func (c *Content) loadLog(r rows) error {
	return r.each(bucketLog, func(key, body []byte, offset int64) error {
		var e schemas.LogEntry
		err := json.Unmarshal(body, &e)
		if err == nil {
			err = schemas.ValidateLog(&e, len(c.Sites))
		}
		if err != nil {
			return bad(r, bucketLog, offset, body, err)
		}
		c.Log = append(c.Log, e)
		return nil
	})
}
