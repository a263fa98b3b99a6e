package server

import (
	"context"

	"github.com/scopegate/scopegate/server/internal/batch"
)

// delivery forwards the batches of one upload, one at a time and in order, in
// the background. Its methods are for one goroutine.
type delivery struct {
	ctx     context.Context
	cancel  context.CancelFunc
	service *service
	// idle holds a token while no batch is on its way.
	idle chan struct{}
	// broken is closed when a batch was not accepted, unless because of stop or
	// of the client; err is why.
	broken chan struct{}
	err    error
}

func newDelivery(ctx context.Context, s *service) *delivery {
	d := &delivery{service: s, idle: make(chan struct{}, 1), broken: make(chan struct{})}
	d.ctx, d.cancel = context.WithCancel(ctx)
	d.idle <- struct{}{}
	return d
}

// send waits until the batch before b is accepted and sends b on its way. It
// takes b over. After a batch was not accepted, it returns why.
func (d *delivery) send(b *batch.Batch) error {
	if err := d.wait(); err != nil {
		b.File.Release()
		return err
	}
	<-d.idle
	go func() {
		defer func() { d.idle <- struct{}{} }()
		defer b.File.Release()
		// After stop the upload has another reason to end, which is the one to tell.
		if d.err = d.forward(b); d.err != nil && d.ctx.Err() == nil {
			close(d.broken)
		}
	}()
	return nil
}

func (d *delivery) forward(b *batch.Batch) (err error) {
	defer d.service.catch(d.ctx, &err)
	return d.service.intake.Forward(d.ctx, b)
}

// wait waits until no batch is on its way, and returns why one was not accepted.
func (d *delivery) wait() error {
	<-d.idle
	d.idle <- struct{}{}
	return d.err
}

// stop breaks off the batch that is on its way, if any, and waits for its end.
func (d *delivery) stop() {
	d.cancel()
	<-d.idle
	d.idle <- struct{}{}
}
