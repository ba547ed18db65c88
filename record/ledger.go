package record

import "probetape/schemas"

// ledger accounts for every record that a site attempted to send: seen, or lost, and in which interval and why.
//
// The programs count attempts; the decoder counts what arrives, by the time it was sent. A reading of the counters can be compared with
// what was seen only when everything sent before it has arrived, which is one flush later: so an interval's loss is told one interval
// late. The counters are read before the time is taken, so whatever they counted was sent before that time: what the comparison gives is
// never more than was lost, and what it misses is told with a later interval. At the end nothing is on its way, and the sum is exact.
type ledger struct {
	sites []siteLedger
	from  int64 // the interval under comparison
	to    int64
	read  bool // attempted holds a reading not yet compared
}

// siteLedger is one site's sums since the beginning.
type siteLedger struct {
	attempted uint64 // at the last reading of the counters
	seen      uint64 // decoded, of those sent before that reading
	unread    uint64
	started   uint64
	mapFull   uint64
	missed    int64

	running uint64 // rows made at the end from calls still under way: they were not attempted before

	bad   uint64 // arrived, and could not be decoded
	store uint64 // arrived, and could not be written

	buffer uint64 // told so far, by reason
	decode uint64
	stored uint64
	skip   int64
}

func newLedger(sites int, start int64) *ledger {
	return &ledger{sites: make([]siteLedger, sites), from: start, to: start}
}

// compare tells the losses of the interval whose counters were read last, after everything sent in it has arrived.
func (l *ledger) compare() []schemas.Loss {
	if !l.read {
		return nil
	}
	l.read = false
	var losses []schemas.Loss
	for i := range l.sites {
		s := &l.sites[i]
		tell := func(now uint64, told *uint64, reason schemas.LossReason) {
			if now > *told {
				losses = append(losses, schemas.Loss{From: l.from, To: l.to, Site: schemas.SiteID(i), Count: now - *told, Reason: reason})
				*told = now
			}
		}
		arrived := s.seen + s.bad
		if s.attempted+s.running > arrived {
			tell(s.attempted+s.running-arrived, &s.buffer, schemas.LossBuffer)
		}
		tell(s.bad, &s.decode, schemas.LossDecode)
		tell(s.store, &s.stored, schemas.LossStore)
		if s.missed > s.skip {
			losses = append(losses, schemas.Loss{From: l.from, To: l.to, Site: schemas.SiteID(i), Count: uint64(s.missed - s.skip), Reason: schemas.LossKernelMissed})
			s.skip = s.missed
		}
	}
	return losses
}

// next begins the comparison of another reading of the counters, taken before the time at.
func (l *ledger) next(at int64) {
	l.from, l.to, l.read = l.to, at, true
}

// totals returns every site's sums as of the last comparison.
func (l *ledger) totals() []schemas.SiteTotals {
	all := make([]schemas.SiteTotals, len(l.sites))
	for i := range l.sites {
		s := &l.sites[i]
		lost := s.buffer + s.decode + s.stored
		all[i] = schemas.SiteTotals{
			Site:          schemas.SiteID(i),
			Attempted:     s.attempted + s.running,
			Seen:          s.seen - min(s.seen, s.store),
			Lost:          lost,
			StartedBefore: s.started,
			MapFull:       s.mapFull,
			Unread:        s.unread,
			Missed:        s.missed,
		}
	}
	return all
}

// lost returns how many events are known to be lost, all sites and reasons together; what the kernel skipped was never attempted
// and is not among them.
func (l *ledger) lost() uint64 {
	var n uint64
	for i := range l.sites {
		n += l.sites[i].buffer + l.sites[i].decode + l.sites[i].stored
	}
	return n
}
