package intake

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Retry says when to send a batch again, and when to stop sending to an intake that accepts
// nothing. The zero value means [DefaultRetry].
type Retry struct {
	// MinBackoff and MaxBackoff bound the exponential back-off. The pause after the
	// nth attempt is random between 0 and MinBackoff·2^(n-1), or MaxBackoff if that is
	// less.
	MinBackoff time.Duration
	MaxBackoff time.Duration
	// MaxRetryAfter caps the intake's Retry-After.
	MaxRetryAfter time.Duration
	// BreakerFailureThreshold is how many consecutive attempts, of all batches
	// together, must find the intake down before only probes are sent.
	BreakerFailureThreshold int
	// ProbeDelay is the time between two probes of an intake that is down, ±25%, and the
	// least time after which a probe that hangs is followed by another. A probe that is
	// cancelled is replaced at once. After an outage, the starts of the batches that waited
	// are spread over ProbeDelay.
	ProbeDelay time.Duration
}

// DefaultRetry returns the recommended settings.
func DefaultRetry() Retry {
	return Retry{
		MinBackoff:              100 * time.Millisecond,
		MaxBackoff:              30 * time.Second,
		MaxRetryAfter:           time.Minute,
		BreakerFailureThreshold: 10,
		ProbeDelay:              time.Second,
	}
}

// pause returns how long a batch waits after its nth attempt, counted from 1. Fraction,
// in [0, 1), is the random part. The Retry-After is waited in full. A longer one gets a
// longer random part, so that batches throttled together don't return together.
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

// parseRetryAfter parses a Retry-After (RFC 9110, section 10.2.3), either seconds or an
// HTTP date, and returns the delay from now, at most limit. A date in the past is a
// delay of 0. It returns false for anything else.
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
