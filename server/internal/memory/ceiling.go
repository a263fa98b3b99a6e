package memory

import "time"

// ceiling is how many accounts there may be, after there were too many for what
// they hold. It rises with time, as they may come to hold less.
type ceiling struct {
	admitted int
	since    time.Time // zero: there is none
}

const (
	// ceilingRise is the time in which a ceiling rises by as much as it was.
	ceilingRise = 20 * time.Second
	// ceilingEnd is when it is forgotten.
	ceilingEnd = time.Minute
)

// reached tells that no account may be admitted beside as many.
func (c ceiling) reached(admitted int, now time.Time) bool {
	if c.since.IsZero() {
		return false
	}
	passed := now.Sub(c.since)
	return passed < ceilingEnd && float64(admitted) >= float64(c.admitted)*(1+passed.Seconds()/ceilingRise.Seconds())
}
