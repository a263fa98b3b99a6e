package server

import (
	"strconv"
	"sync/atomic"

	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/activity"
	"github.com/scopegate/scopegate/server/internal/adminpage"
	"github.com/scopegate/scopegate/server/internal/batch"
)

// phase is what a stream's goroutine does.
type phase int32

const (
	phaseReceiving phase = iota // waits for its client
	phaseMemory                 // waits for memory
	phaseEncoding
	phaseTurn    // waits until the batch before is accepted
	phaseLanding // waits until its last batch is accepted
)

// standing is how far a stream has come, for who looks at it from outside while
// the stream's own goroutines go on. It may be read by any goroutine.
type standing struct {
	totals *activity.Totals

	header        atomic.Pointer[batch.Header] // nil: not yet told
	phase         atomic.Int32
	receivedBytes atomic.Int64 // of messages, as protobuf
	// jsonBytes and gzipBytes are of all batches, the open one included.
	jsonBytes, gzipBytes atomic.Int64
	// open is the number of the batch that is open, travelling of the one that is on
	// its way, 0 where none is, and accepted how many are accepted.
	open, travelling, accepted atomic.Int32

	// The bytes of sealed batches, guarded by the upload's mu.
	sealedJSON, sealedGzip int64
}

// enter tells the phase, and returns the one before.
func (s *standing) enter(now phase) (before phase) { return phase(s.phase.Swap(int32(now))) }

// receive tells that a message has come.
func (s *standing) receive(bytes int) {
	s.receivedBytes.Add(int64(bytes))
	s.totals.ReceivedBytes.Add(int64(bytes))
}

// grow tells what the open batch holds.
func (s *standing) grow(open *batch.Assembler) {
	s.totals.Scopes.Add(1)
	s.make(s.sealedJSON+open.RawBytes(), s.sealedGzip+int64(open.CompressedBytes()))
}

// seal notes a batch that is sealed, and numbered.
func (s *standing) seal(b *batch.Batch) {
	s.sealedJSON += b.RawBytes
	s.sealedGzip += int64(b.File.Len())
	s.make(s.sealedJSON, s.sealedGzip)
	s.open.Store(b.Num + 1)
}

// make tells how much the stream has become, all in all.
func (s *standing) make(jsonBytes, gzipBytes int64) {
	s.totals.JSONBytes.Add(jsonBytes - s.jsonBytes.Swap(jsonBytes))
	s.gzipBytes.Store(gzipBytes)
}

// accept tells that the intake has accepted a batch.
func (s *standing) accept(fileBytes int) {
	s.accepted.Add(1)
	s.totals.AcceptedBytes.Add(int64(fileBytes))
}

// state says what the stream does, in words, and whether it waits for something
// else than its client; taking tells that the intake takes batches.
func (s *standing) state(taking bool) (words string, stuck bool) {
	travelling := s.travelling.Load()
	on := "forwarding batch " + strconv.Itoa(int(travelling))
	if !taking {
		on = "waiting for the intake, with batch " + strconv.Itoa(int(travelling))
	}
	switch phase(s.phase.Load()) {
	case phaseMemory:
		words, stuck = "waiting for memory", true
	case phaseEncoding:
		words = "encoding"
	case phaseTurn, phaseLanding:
		return on, !taking
	case phaseReceiving:
		words = "receiving"
		if s.header.Load() == nil {
			words = "waiting for the metadata"
		}
	}
	if travelling != 0 {
		return words + "; " + on, stuck || !taking
	}
	return words, stuck
}

// labelOf returns what the client has said of its upload, and who it has proved to
// be.
func labelOf(h *batch.Header, granted access.Grant) adminpage.Label {
	var label adminpage.Label
	if h != nil {
		label = adminpage.Label{UploadID: h.UploadID, Service: h.Service, Version: h.Version, Language: h.Language}
	}
	label.Tenant = granted.TenantName()
	return label
}
