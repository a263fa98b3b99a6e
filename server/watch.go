package server

import (
	"time"

	"github.com/scopegate/scopegate/server/internal/memory"
)

// settleTime is how long a batch that is on its way may take to be accepted or
// refused, when its stream is ended. Longer, and it is not known what became of
// it.
const settleTime = 2 * time.Second

// watch waits for the stream's end and answers the client. Only returning from
// here ends a read from a client that sends nothing: a batch that fails, or a
// server that stops, does not wait for the next scope.
func (u *upload) watch(rpc uploadStream, ended <-chan error) error {
	clock := time.NewTimer(0)
	defer clock.Stop()
	for {
		select {
		case err := <-ended:
			return u.answer(rpc, err)
		case <-u.delivery.broken:
			return u.answer(rpc, u.delivery.err)
		case <-u.age.reached():
			u.forwardAged()
		case order := <-u.account.Orders():
			if order == memory.GiveUp {
				return u.giveBack(rpc, ended, errMemory)
			}
			u.squeeze()
		case <-u.service.ending:
			return u.giveBack(rpc, ended, errShuttingDown)
		case <-clock.C:
			next, err := u.check()
			if err != nil {
				return u.giveBack(rpc, ended, err)
			}
			clock.Reset(next)
		}
	}
}

// check returns when to look again at how long the stream lasts and how its
// client keeps sending, or why it is to end.
func (u *upload) check() (time.Duration, error) {
	next, err := u.stream.pace.check()
	if limit := u.service.config.MaxConnectionAge; limit > 0 && err == nil {
		left := limit - time.Since(u.stream.pace.began)
		if left <= 0 {
			return 0, errConnectionAge
		}
		next = min(next, left)
	}
	return next, err
}

// giveBack ends the stream for the reason given, unless the intake turns out to
// have accepted all of it.
func (u *upload) giveBack(rpc uploadStream, ended <-chan error, reason error) error {
	u.delivery.halt(settleTime)
	if u.delivery.complete {
		return u.answer(rpc, <-ended)
	}
	u.mu.Lock() // the stream may just have begun
	defer u.mu.Unlock()
	return u.answer(rpc, reason)
}

// answer tells the client what became of the stream.
func (u *upload) answer(rpc uploadStream, err error) error {
	if err == nil {
		return rpc.SendAndClose(u.delivery.summary())
	}
	u.service.logFailure(rpc.Context(), u.delivery.uploadID, err)
	return publicStatus(err, u.delivery.progress())
}

// enter enters in the ledger what became of the stream's scopes.
func (u *upload) enter(err error) {
	rest := float64(u.stream.scopes - u.delivery.acceptedScopes)
	ledger := u.service.ledger
	ledger.ScopesReceived.Add(float64(u.stream.scopes))
	ledger.ScopesAccepted.Add(float64(u.delivery.acceptedScopes))
	if permanent(err) {
		ledger.ScopesRefused.Add(rest)
	} else {
		ledger.ScopesGivenBack.Add(rest)
	}
}
