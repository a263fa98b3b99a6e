package intake

import (
	"errors"
	"net/http"
)

// Class says how an attempt ended.
type Class string

// The classes of attempts.
const (
	// ClassAccepted is a status of 2xx.
	ClassAccepted Class = "accepted"
	// ClassRefused is a status that the same bytes would bring again.
	ClassRefused Class = "refused"
	// ClassTooLarge is 413.
	ClassTooLarge Class = "too_large"
	// ClassThrottled is 429.
	ClassThrottled Class = "throttled"
	// ClassUnavailable is 408, 500, 502, 503 and 504.
	ClassUnavailable Class = "unavailable"
	// ClassUnreachable is no connection: DNS, dialling, TLS.
	ClassUnreachable Class = "unreachable"
	// ClassBroken is a connection that broke without an answer.
	ClassBroken Class = "broken"
	// ClassTimeout is no answer within Config.PostTimeout.
	ClassTimeout Class = "timeout"
	// ClassCancelled is an attempt that the caller, or its deadline, has ended.
	ClassCancelled Class = "cancelled"
)

// health is what an attempt tells about the intake, whichever batch it carried.
type health int

const (
	healthUnknown health = iota
	healthUp
	healthDown
)

// verdict is what the end of an attempt means.
type verdict struct {
	class Class
	// retry: the same bytes may be accepted later.
	retry bool
	// inDoubt: the intake may have taken the batch nevertheless.
	inDoubt bool
	// throttles: a Retry-After with it is meant for everybody.
	throttles bool
	health    health
}

// judgeStatus says what an answer means, from the status alone.
func judgeStatus(status int) verdict {
	switch status {
	case http.StatusRequestTimeout:
		return verdict{class: ClassUnavailable, retry: true, health: healthUp}
	case http.StatusRequestEntityTooLarge:
		return verdict{class: ClassTooLarge, health: healthUp}
	case http.StatusTooManyRequests:
		return verdict{class: ClassThrottled, retry: true, throttles: true, health: healthDown}
	case http.StatusServiceUnavailable:
		return verdict{class: ClassUnavailable, retry: true, throttles: true, health: healthDown}
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		// What is behind a gateway may have taken the batch before it failed.
		return verdict{class: ClassUnavailable, retry: true, inDoubt: true, health: healthDown}
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return verdict{class: ClassRefused, health: healthUp}
	}
	switch {
	case status >= 200 && status < 300:
		return verdict{class: ClassAccepted, health: healthUp}
	case status >= 500: // such as the 520 to 530 of one CDN
		return verdict{class: ClassRefused, inDoubt: true, health: healthDown}
	}
	return verdict{class: ClassRefused, health: healthUp}
}

// judgeSilence says what it means that an attempt brought no answer: ended is
// why its context ended, nil if it did not; connected tells that there was a
// connection, and sent that the whole request may have gone out through it.
func judgeSilence(ended error, connected, sent bool) verdict {
	switch {
	case errors.Is(ended, errPostTimeout):
		return verdict{class: ClassTimeout, retry: true, inDoubt: sent, health: healthDown}
	case ended != nil:
		return verdict{class: ClassCancelled, inDoubt: sent}
	case !connected:
		return verdict{class: ClassUnreachable, retry: true, health: healthDown}
	}
	return verdict{class: ClassBroken, retry: true, inDoubt: sent, health: healthDown}
}

// Outcomes returns the classes of attempts, with an example of each kind of HTTP
// status that they come with; 0: no answer.
func Outcomes() map[Class][]int {
	const noAnswer = 0
	return map[Class][]int{
		ClassAccepted: {http.StatusOK},
		ClassRefused: {
			http.StatusSwitchingProtocols, http.StatusFound, http.StatusBadRequest, http.StatusNotImplemented,
		},
		ClassTooLarge:    {http.StatusRequestEntityTooLarge},
		ClassThrottled:   {http.StatusTooManyRequests},
		ClassUnavailable: {http.StatusRequestTimeout, http.StatusServiceUnavailable},
		ClassUnreachable: {noAnswer},
		ClassBroken:      {noAnswer},
		ClassTimeout:     {noAnswer},
		ClassCancelled:   {noAnswer},
	}
}
