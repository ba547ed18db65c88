// Package record is the recorder: it checks probe text against the host, loads and attaches the programs, brings what they send into a
// capture, keeps the ledger of what was lost, and ends the recording in good order.
//
// It imports schemas, the packages below record, store and x/sys; never analyze: who wants to see the events live passes an Observer.
// Its loop works on interfaces (Session, Capture, Clock) and is tested without a kernel.
package record
