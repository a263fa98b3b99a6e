package upload

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/scopegate/scopegate/server/internal/batch"
)

// Phase is what a stream's reader is doing.
type Phase int32

// The phases of a reader. In all except Encoding it waits.
const (
	Receiving        Phase = iota // for the client
	WaitingForMemory              // for room in the budget
	Encoding                      // checks scopes and writes them to the open batch
	WaitingForTurn                // for the batch before to be accepted
	Finishing                     // for the last batch to be accepted
)

// Snapshot is the state of a stream. The log, the metrics and the status page read it.
type Snapshot struct {
	// Header is the upload's metadata; nil until it arrives.
	Header *batch.Header
	// Tenant is the authenticated tenant; empty if there are no tenants.
	Tenant string
	Began  time.Time
	Phase  Phase
	// IntakeUp reports whether batches are sent to the intake now.
	IntakeUp bool
	// Ending is why the stream is about to end early; nil if it is not.
	Ending error
	// Scopes were received in ReceivedBytes of protobuf. They became JSONBytes and
	// GzipBytes, in sealed batches and the open one.
	Scopes, ReceivedBytes, JSONBytes, GzipBytes int64
	// HeldBytes is what the stream holds in memory.
	HeldBytes int64
	// FirstBatch, OpenBatch and PostingBatch are batch numbers. PostingBatch is 0 if no
	// batch is being posted.
	FirstBatch, OpenBatch, PostingBatch int32
	// These count what the intake has accepted.
	AcceptedBatches                                      int32
	AcceptedScopes, AcceptedJSONBytes, AcceptedGzipBytes int64
}

// Counts are totals of all streams. They only grow. Any goroutine may read them.
type Counts struct {
	// When no stream is open, received = accepted + refused + given back, for scopes and
	// for sealed batches. A batch that was split counts as refused, its parts as sealed.
	ScopesReceived, ScopesAccepted, ScopesRefused, ScopesGivenBack   atomic.Int64
	BatchesSealed, BatchesAccepted, BatchesRefused, BatchesGivenBack atomic.Int64
	// ReceivedBytes count protobuf, JSONBytes the scopes as JSON.
	ReceivedBytes, JSONBytes atomic.Int64
	// SealedJSONBytes and SealedGzipBytes count sealed batches when they get their
	// number, and so once if they are split. AcceptedGzipBytes counts accepted ones.
	SealedJSONBytes, SealedGzipBytes, AcceptedGzipBytes atomic.Int64
	// SpoolFull and SpoolFailed count batches that could not be moved to the spool.
	SpoolFull, SpoolFailed atomic.Int64
}

// progress records how far a stream has come. Any goroutine may read it.
type progress struct {
	counts *Counts
	began  time.Time

	header                                     atomic.Pointer[batch.Header]
	phase                                      atomic.Int32
	scopes, receivedBytes                      atomic.Int64
	jsonBytes, gzipBytes                       atomic.Int64
	firstBatch, openBatch, posting             atomic.Int32
	acceptedBatches                            atomic.Int32
	acceptedScopes, acceptedJSON, acceptedGzip atomic.Int64

	// sealedJSON and sealedGzip count numbered batches. The upload's lock guards them.
	sealedJSON, sealedGzip int64
}

func (p *progress) start(counts *Counts) { p.counts, p.began = counts, time.Now() }

// enter records the phase.
func (p *progress) enter(now Phase) { p.phase.Store(int32(now)) }

func (p *progress) begin(firstBatch int32) {
	p.firstBatch.Store(firstBatch)
	p.openBatch.Store(firstBatch)
}

// receive records a message.
func (p *progress) receive(bytes int) {
	p.receivedBytes.Add(int64(bytes))
	p.counts.ReceivedBytes.Add(int64(bytes))
}

// scope records that the message was a scope.
func (p *progress) scope() {
	p.scopes.Add(1)
	p.counts.ScopesReceived.Add(1)
}

// grow records the open batch's sizes.
func (p *progress) grow(open *batch.Assembler) {
	p.makeJSON(p.sealedJSON + open.RawBytes())
	p.gzipBytes.Store(p.sealedGzip + int64(open.CompressedBytes()))
}

// number records a sealed batch that got its number.
func (p *progress) number(b *batch.Batch) {
	gzip := int64(b.File.Len())
	p.sealedJSON += b.RawBytes
	p.sealedGzip += gzip
	p.makeJSON(p.sealedJSON)
	p.gzipBytes.Store(p.sealedGzip)
	p.openBatch.Store(b.Num + 1)
	p.counts.SealedJSONBytes.Add(b.RawBytes)
	p.counts.SealedGzipBytes.Add(gzip)
}

func (p *progress) makeJSON(bytes int64) { p.counts.JSONBytes.Add(bytes - p.jsonBytes.Swap(bytes)) }

// accept records an accepted batch.
func (p *progress) accept(b *batch.Batch) {
	gzip := int64(b.File.Len())
	p.acceptedBatches.Add(1)
	p.acceptedScopes.Add(b.ScopeCount)
	p.acceptedJSON.Add(b.RawBytes)
	p.acceptedGzip.Add(gzip)
	p.counts.BatchesAccepted.Add(1)
	p.counts.ScopesAccepted.Add(b.ScopeCount)
	p.counts.AcceptedGzipBytes.Add(gzip)
}

// end counts the scopes that were not accepted.
func (p *progress) end(refused bool) {
	rest := p.scopes.Load() - p.acceptedScopes.Load()
	if refused {
		p.counts.ScopesRefused.Add(rest)
	} else {
		p.counts.ScopesGivenBack.Add(rest)
	}
}

func (u *upload) snapshot() Snapshot {
	s := u.progress.snapshot()
	s.Tenant, s.HeldBytes, s.Ending = u.grant.TenantName(), u.account.HeldBytes(), context.Cause(u.ctx)
	s.IntakeUp = u.grant.Up()
	return s
}

func (p *progress) snapshot() Snapshot {
	return Snapshot{
		Header: p.header.Load(), Began: p.began, Phase: Phase(p.phase.Load()),
		Scopes: p.scopes.Load(), ReceivedBytes: p.receivedBytes.Load(),
		JSONBytes: p.jsonBytes.Load(), GzipBytes: p.gzipBytes.Load(),
		FirstBatch: p.firstBatch.Load(), OpenBatch: p.openBatch.Load(), PostingBatch: p.posting.Load(),
		AcceptedBatches: p.acceptedBatches.Load(), AcceptedScopes: p.acceptedScopes.Load(),
		AcceptedJSONBytes: p.acceptedJSON.Load(), AcceptedGzipBytes: p.acceptedGzip.Load(),
	}
}

// Notable returns snapshots of at most so many open streams, oldest first, and the number
// of all open streams. If not all fit, half are the oldest streams and half those of the
// rest that hold most memory.
func (s *Server) Notable(most int) (notable []Snapshot, open int) {
	all := s.list()
	for _, u := range mostNotable(all, most) {
		notable = append(notable, u.snapshot())
	}
	return notable, len(all)
}

func mostNotable(open []*upload, most int) []*upload {
	oldest := func(x, y *upload) int { return x.progress.began.Compare(y.progress.began) }
	slices.SortFunc(open, oldest)
	if len(open) <= most {
		return open
	}
	shown, rest := open[:most-most/2], open[most-most/2:]
	holds := make(map[*upload]int64, len(rest)) // a copy, as it changes during the sort
	for _, u := range rest {
		holds[u] = u.account.HeldBytes()
	}
	slices.SortStableFunc(rest, func(x, y *upload) int { return cmp.Compare(holds[y], holds[x]) })
	shown = slices.Concat(shown, rest[:most/2])
	slices.SortFunc(shown, oldest)
	return shown
}
