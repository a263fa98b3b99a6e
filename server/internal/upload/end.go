package upload

import (
	"context"
	"errors"
	"time"
)

// A stream ends in these steps: the reader returns, or a cause ends the stream's context and
// settle waits for the batch that is being posted; answer logs the end and tells the client;
// close frees what the stream holds.

// settle ends a stream early. It first gives the batch being posted up to SettleTime, so
// that the progress is known. It returns cause, or nil if the intake has accepted all.
func (u *upload) settle(cause error) error {
	settling, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), u.server.SettleTime)
	defer cancel()
	if errors.Is(cause, ErrShuttingDown) {
		// The metadata may still arrive. Without it there is no progress, and the client
		// would start over.
		select {
		case <-u.begun:
		case err := <-u.done:
			u.consumed = true
			if !errors.Is(err, cause) {
				return err
			}
		case <-settling.Done():
		}
	}
	if errors.Is(cause, context.Canceled) && !u.consumed {
		// When gRPC refuses a message it ends the stream's context before RecvMsg says so.
		select {
		case err := <-u.done:
			u.consumed = true
			if messageTooLarge(err) {
				return err
			}
		case <-settling.Done():
		}
	}
	if !u.sender.settle(settling) {
		return cause
	}
	if !u.consumed {
		<-u.done //nolint:errcheck // the reader ends by itself, and all is accepted
		u.consumed = true
	}
	return nil
}

// answer counts and logs the end of the stream, and answers its client.
func (u *upload) answer(err error) error {
	u.sender.stop()
	u.refused = permanent(err)
	if u.consumed {
		u.close() // before the client can start another upload
	}
	var public error
	if err != nil {
		u.mu.Lock() // the reader may be in begin
		public = Status(err, u.sender.resumption())
		u.mu.Unlock()
	}
	end := End{Snapshot: u.snapshot(), Outcome: OutcomeOf(public), Took: time.Since(u.progress.began), Err: err}
	if end.Reason == ReasonOverloaded {
		u.server.Counts.Overloaded.Add(1)
	}
	u.log(end)
	u.server.Observer.UploadEnded(end)
	if public != nil {
		return public
	}
	return u.rpc.SendAndClose(u.sender.summary())
}

// close frees what the stream holds and counts its scopes. The reader must have ended.
// Closing again does nothing.
func (u *upload) close() {
	if u.closed {
		return
	}
	u.closed = true
	u.sender.close()
	u.clock.Stop()
	u.receiver.release()
	if u.batches != nil {
		u.batches.Discard()
	}
	u.Leave()
	u.progress.end(u.refused)
	u.server.mu.Lock()
	defer u.server.mu.Unlock()
	delete(u.server.streams, u)
}
