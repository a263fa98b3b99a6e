package intake

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Retry says when a batch that was not accepted is sent again, and how an intake
// that takes nothing is spared. The zero value stands for [DefaultRetry].
type Retry struct {
	// MinBackoff and MaxBackoff bound the exponential back-off: the pause behind
	// the nth attempt is random between 0 and MinBackoff·2^(n-1), at most
	// MaxBackoff.
	MinBackoff time.Duration
	MaxBackoff time.Duration
	// MaxRetryAfter caps what the intake asks for with Retry-After.
	MaxRetryAfter time.Duration
	// BreakerFailureThreshold is how many attempts in a row, of all batches
	// together, must find the intake down until it only gets probes.
	BreakerFailureThreshold int
	// BreakerDelay is the time between two probes, a quarter more or less. When
	// the intake is back, what has waited starts spread over as long.
	BreakerDelay time.Duration
}

// DefaultRetry returns the recommended settings.
func DefaultRetry() Retry {
	return Retry{
		MinBackoff:              100 * time.Millisecond,
		MaxBackoff:              30 * time.Second,
		MaxRetryAfter:           time.Minute,
		BreakerFailureThreshold: 10,
		BreakerDelay:            time.Second,
	}
}

// Validate returns an error that names the first setting that is out of range,
// and its value.
func (r Retry) Validate() error {
	switch {
	case r.MinBackoff <= 0:
		return fmt.Errorf("min backoff %v is not positive", r.MinBackoff)
	case r.MaxBackoff < r.MinBackoff:
		return fmt.Errorf("max backoff %v is less than min backoff %v", r.MaxBackoff, r.MinBackoff)
	case r.MaxRetryAfter < 0:
		return fmt.Errorf("max retry after %v is negative", r.MaxRetryAfter)
	case r.BreakerFailureThreshold < 1 || r.BreakerFailureThreshold > 1<<20:
		return fmt.Errorf("breaker failure threshold %d is not between 1 and 1048576", r.BreakerFailureThreshold)
	case r.BreakerDelay <= 0:
		return fmt.Errorf("breaker delay %v is not positive", r.BreakerDelay)
	}
	return nil
}

// pause returns how long a batch waits behind its nth attempt, counted from 1.
// The fraction, of [0, 1), is the random part. What the intake has asked for is
// waited in full; the spread behind it grows with it, as all that were asked at
// the same time would else be back at the same time.
func (r Retry) pause(attempt int, retryAfter time.Duration, fraction float64) time.Duration {
	ceiling := r.MinBackoff
	for range attempt - 1 {
		if ceiling >= r.MaxBackoff/2 {
			ceiling = r.MaxBackoff
			break
		}
		ceiling *= 2
	}
	return retryAfter + time.Duration(fraction*float64(max(ceiling, retryAfter/4)))
}

// parseRetryAfter reads the value of a Retry-After (RFC 9110, section 10.2.3),
// delay-seconds or HTTP-date, as a delay from now, at most limit. A date that
// has passed is a delay of 0. It returns false on anything else.
func parseRetryAfter(value string, now time.Time, limit time.Duration) (time.Duration, bool) {
	value = strings.Trim(value, " \t")
	if value == "" {
		return 0, false
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(limit/time.Second) { // or more than fits
			return limit, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(0, date.Sub(now)), limit), true
}
