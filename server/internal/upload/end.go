package upload

import (
	"context"
	"errors"
	"time"
)

// A stream ends in these steps: the reader returns; settle waits for the batch that is being
// posted, if the cause of the stream's context is why; answer frees what the stream holds,
// logs the end and tells the client.

// end ends a stream whose reader has returned err, and returns the status for its client.
func (u *upload) end(err error) error {
	err = u.settle(err)
	err = u.server.stacks.run(u.ctx, func() error { return u.answer(err) })
	// The connection may be evicted once gRPC has the answer, when it ends its context.
	context.AfterFunc(u.client, u.conn.Release)
	return err
}

// settle returns how a stream ends whose reader has returned err. If the stream had to end
// early, it waits for the batch being posted, so that the progress is known. It returns nil if
// the intake has accepted all.
func (u *upload) settle(err error) error {
	if err == nil || !errors.Is(err, context.Cause(u.ctx)) {
		return err
	}
	if landed := u.sender.settle(); landed && u.allNumbered {
		return nil
	}
	return err
}

// answer counts and logs the end of the stream, frees what it holds, and answers its client.
func (u *upload) answer(err error) error {
	u.sender.stop()
	u.refused = permanent(err)
	u.close() // before the client can start another upload
	var public error
	if err != nil {
		public = Status(err, u.sender.resumption())
	}
	end := End{Snapshot: u.snapshot(), Outcome: OutcomeOf(public), Took: time.Since(u.progress.began), Err: err}
	u.log(end)
	u.server.Observer.UploadEnded(end)
	if public != nil {
		return public
	}
	return u.rpc.SendAndClose(u.sender.summary())
}

// close frees what the stream holds and counts its scopes. The reader must have ended.
func (u *upload) close() {
	u.mu.Lock()
	u.closed = true // no event is handled any more
	u.clock.Stop()
	u.server.packer.forget(u.packing.turn)
	u.mu.Unlock()
	u.sender.close()
	u.receiver.release()
	u.drawNotes(-u.notesBytes)
	if u.batches != nil {
		u.batches.Discard()
	}
	u.Leave()
	u.progress.end(u.refused)
	u.server.mu.Lock()
	defer u.server.mu.Unlock()
	delete(u.server.streams, u)
}
