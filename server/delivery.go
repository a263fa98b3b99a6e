package server

import (
	"context"
	"errors"
	"sync"
	"time"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// delivery forwards the batches of one stream, one at a time and in order, in
// the background, and knows how far the stream has come. begin, send and wait
// are for the goroutine that makes the batches. What is read of its fields is
// settled when halt, stop or the last wait has returned.
type delivery struct {
	ctx      context.Context
	cancel   context.CancelFunc
	service  *service
	grant    access.Grant
	standing *standing
	uploadID string
	options  streamOptions

	// idle holds a token while no batch is on its way.
	idle chan struct{}
	// closed is closed when no further batch shall be sent.
	closed <-chan struct{}
	// broken is called when a batch was not accepted; err is why.
	broken func(error)
	err    error

	// mu guards bodies: those of the batches that are on their way, or wait for it.
	mu     sync.Mutex
	bodies map[*encode.Body]struct{}

	nextNum        int32 // of the batch that is accepted next
	acceptedScopes int64
	complete       bool // the stream's last batch is accepted
	inDoubt        bool // the intake has, or may have, more than is accepted
	rawBytes       int64
	compressed     int64
}

func newDelivery(
	ctx context.Context, s *service, of access.Grant, at *standing, closed <-chan struct{}, broken func(error),
) *delivery {
	d := &delivery{
		service: s, grant: of, standing: at,
		idle: make(chan struct{}, 1), closed: closed, broken: broken,
	}
	d.ctx, d.cancel = context.WithCancel(ctx)
	d.idle <- struct{}{}
	return d
}

func (d *delivery) begin(uploadID string, options streamOptions) {
	d.uploadID, d.options, d.nextNum = uploadID, options, options.firstBatchNum
}

// send waits until the batch before is accepted, gives the sealed one its number,
// and sends it on its way. age is how long it was open, and last reports whether it
// is the stream's last one. send takes the batch over. After a batch was not
// accepted, it returns why.
func (d *delivery) send(sealed *batch.Sealed, age time.Duration, last bool) error {
	d.service.ledger.BatchesSealed.Inc()
	d.keep(sealed.Body)
	defer d.standing.enter(d.standing.enter(phaseTurn))
	if err := d.take(); err != nil {
		d.discard(sealed.Body)
		return err
	}
	b := sealed.Number(d.nextNum, last && !d.options.moreFollows)
	d.standing.seal(b)
	d.service.metrics.BatchSealed(b.RawBytes, b.File.Len(), b.ScopeCount, age)
	go func() {
		err := d.forward(b)
		d.err, d.complete = err, last && err == nil
		d.put()
		// After stop the stream has another reason to end, which is the one to tell.
		if err != nil && d.ctx.Err() == nil {
			d.broken(err)
		}
	}()
	return nil
}

// errClosed is for who closes a delivery to explain.
var errClosed = errors.New("no further batch is sent")

// take waits until no batch is on its way, and takes the token. It fails when
// no further batch can be sent.
func (d *delivery) take() error {
	<-d.idle
	err := d.err
	select {
	case <-d.closed:
		if err == nil {
			err = errClosed
		}
	default:
	}
	if err != nil {
		d.put()
	}
	return err
}

func (d *delivery) put() { d.idle <- struct{}{} }

// wait waits until no batch is on its way, and returns why one was not accepted.
func (d *delivery) wait() error {
	d.standing.enter(phaseLanding)
	<-d.idle
	defer d.put()
	return d.err
}

// busy tells whether a batch is on its way.
func (d *delivery) busy() bool { return len(d.idle) == 0 }

// settleTime is how long what is on its way may take when a stream is interrupted: a
// batch to be accepted or refused, without which it is not known what became of it;
// and where the server stops, the metadata to come.
const settleTime = 2 * time.Second

// halt waits, when no further batch is sent, until none is on its way: for as long as
// it is given, then it breaks off the one that is.
func (d *delivery) halt(settle time.Duration) {
	timer := time.NewTimer(settle)
	defer timer.Stop()
	select {
	case <-d.idle:
	case <-timer.C:
		d.cancel()
		<-d.idle
	}
	d.put()
}

// stop breaks off the batch that is on its way, if any, and waits for its end.
func (d *delivery) stop() {
	d.cancel()
	<-d.idle
	d.put()
}

// forward takes b to the intake, as several batches if need be. Whatever becomes of
// b, a panic included, it is entered in the ledger once, and holds nothing afterwards.
func (d *delivery) forward(b *batch.Batch) (err error) {
	defer func() { d.settle(b, err) }()
	defer d.service.catch(d.ctx, &err)
	err = d.post(b)
	failure, _ := errors.AsType[*intake.Error](err)
	switch {
	case err == nil:
		d.accept(b)
	case failure != nil && failure.TooLarge() && !failure.InDoubt():
		return d.split(b)
	case failure != nil && failure.TooLarge():
		// Its parts must not go out beside it, should the intake have it after all.
		d.grant.Learned.Refused(b)
		d.inDoubt = true
		return errTooLargeInDoubt
	case failure != nil && failure.InDoubt():
		d.inDoubt = true
	}
	return err
}

// settle gives up b, unless that is accepted or split.
func (d *delivery) settle(b *batch.Batch, err error) {
	if !d.keeps(b.File.Body) {
		return
	}
	d.release(b.File.Body)
	if permanent(err) {
		d.service.ledger.BatchesRefused.Inc()
	} else {
		d.service.ledger.BatchesGivenBack.Inc()
	}
}

// post takes b to the intake, and measures how long that takes.
func (d *delivery) post(b *batch.Batch) (err error) {
	d.standing.travelling.Store(b.Num)
	ctx, end := d.service.tracing.batch(d.ctx, b)
	begin := time.Now()
	err = errInternal // in a panic
	defer func() {
		d.standing.travelling.Store(0)
		d.service.metrics.BatchForwarded(err == nil, time.Since(begin))
		end(err)
	}()
	return d.grant.Route.ForwardFor(ctx, d.grant.Sender(), b)
}

func (d *delivery) accept(b *batch.Batch) {
	d.nextNum = b.Num + 1
	d.acceptedScopes += b.ScopeCount
	d.rawBytes += b.RawBytes
	d.compressed += int64(b.File.Len())
	d.standing.accept(b.File.Len())
	d.service.metrics.BytesForwarded.Add(float64(b.File.Len()))
	d.grant.Learned.Accepted(b)
	d.forget(b.File.Body)
	d.service.ledger.BatchesAccepted.Inc()
	d.service.offer(d.grant, b)
}

// split forwards what the intake found too large as several batches, and has
// the tenant's uploads make smaller ones from now on.
func (d *delivery) split(b *batch.Batch) error {
	choices := d.grant.Learned.Refused(b)
	if d.options.singleBatch {
		return batchTooLarge(choices[0])
	}
	parts, err := d.splitTo(b, choices)
	if err != nil {
		return err
	}
	for _, part := range parts {
		d.keep(part.Body)
	}
	d.service.ledger.BatchesSealed.Add(float64(len(parts)))
	d.release(b.File.Body)
	d.service.ledger.BatchesRefused.Inc()
	for i, part := range parts {
		if err := d.forward(part.Number(d.nextNum, b.Final && i == len(parts)-1)); err != nil {
			// A scope may lie half in a part that was accepted: sent again whole, it
			// would be there one and a half times.
			d.inDoubt = d.inDoubt || i > 0
			for _, rest := range parts[i+1:] {
				d.discard(rest.Body)
			}
			return err
		}
	}
	return nil
}

// splitTo splits b to the first of the limits that its scopes can be fitted into.
// Where there is none, it returns what stands against the first.
func (d *delivery) splitTo(b *batch.Batch, choices []batch.Limits) ([]*batch.Sealed, error) {
	var first error
	for _, limits := range choices {
		parts, err := b.Split(d.service.compressors, limits)
		if err == nil {
			return parts, nil
		}
		if first == nil {
			first = err
		}
		if _, ok := errors.AsType[*batch.UnsplittableError](err); !ok {
			break
		}
	}
	return nil, first
}

// keep lets spill at what a batch holds, until it is released.
func (d *delivery) keep(body *encode.Body) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bodies == nil {
		d.bodies = map[*encode.Body]struct{}{}
	}
	d.bodies[body] = struct{}{}
}

// forget lets spill no longer at what a batch holds.
func (d *delivery) forget(body *encode.Body) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.bodies, body)
}

// keeps reports whether a batch is neither released nor forgotten.
func (d *delivery) keeps(body *encode.Body) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.bodies[body]
	return ok
}

func (d *delivery) release(body *encode.Body) {
	d.forget(body)
	body.Release()
}

// spill moves to the spool, if there is one, what the batches hold that are on
// their way, as far as it has room.
func (d *delivery) spill() {
	if d.service.spool == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for body := range d.bodies {
		_, err := body.Spill(d.service.spool)
		d.service.noteSpool(d.ctx, err)
	}
}

// discard gives up a batch that was not sent.
func (d *delivery) discard(body *encode.Body) {
	d.release(body)
	d.service.ledger.BatchesGivenBack.Inc()
}

// noProgress is that of a stream whose metadata was not read.
var noProgress = &symdbv1.UploadProgress{}

// progress returns how far the stream has come; nil where that is not known.
func (d *delivery) progress() *symdbv1.UploadProgress {
	switch {
	case d.uploadID == "":
		return noProgress
	case d.inDoubt:
		return nil
	}
	return &symdbv1.UploadProgress{
		UploadId: d.uploadID, AcceptedScopeCount: d.acceptedScopes, NextBatchNum: d.nextNum,
	}
}

func (d *delivery) summary() *symdbv1.UploadScopesResponse {
	return &symdbv1.UploadScopesResponse{
		UploadId:        d.uploadID,
		ScopeCount:      d.acceptedScopes,
		BatchCount:      d.nextNum - d.options.firstBatchNum,
		RawBytes:        d.rawBytes,
		CompressedBytes: d.compressed,
	}
}
