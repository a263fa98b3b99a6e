package server

import "time"

// age is the clock of a stream's open batch.
type age struct {
	limit time.Duration
	timer *time.Timer // nil: no batch grows too old
}

// newAge returns a clock that calls reached when the batch is too old.
func newAge(limit time.Duration, reached func()) age {
	if limit <= 0 {
		return age{}
	}
	timer := time.AfterFunc(maxPause, reached)
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

func (a age) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}
