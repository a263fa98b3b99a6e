package server

import "time"

// age is the clock of a stream's open batch.
type age struct {
	limit time.Duration
	timer *time.Timer // nil: no batch grows too old
}

func newAge(limit time.Duration) age {
	if limit <= 0 {
		return age{}
	}
	timer := time.NewTimer(limit)
	timer.Stop()
	return age{limit: limit, timer: timer}
}

// begin starts the clock anew, for a batch that has just been opened.
func (a age) begin() {
	if a.timer != nil {
		a.timer.Reset(a.limit)
	}
}

// again has the limit reached once more, soon.
func (a age) again() { a.timer.Reset(min(a.limit, time.Second/10)) }

// reached receives when the batch is too old.
func (a age) reached() <-chan time.Time {
	if a.timer == nil {
		return nil
	}
	return a.timer.C
}

func (a age) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}
