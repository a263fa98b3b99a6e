package intake

import (
	"errors"
	"net/http"
)

// Class is how an attempt ended.
type Class string

// The classes of attempts.
const (
	// ClassAccepted is a 2xx status.
	ClassAccepted Class = "accepted"
	// ClassRefused is a status that the same bytes would get again.
	ClassRefused Class = "refused"
	// ClassTooLarge is 413.
	ClassTooLarge Class = "too_large"
	// ClassThrottled is 429.
	ClassThrottled Class = "throttled"
	// ClassUnavailable is 408, 500, 502, 503 and 504.
	ClassUnavailable Class = "unavailable"
	// ClassUnreachable means no connection: DNS, dialling or TLS failed.
	ClassUnreachable Class = "unreachable"
	// ClassBroken means that the connection broke before an answer.
	ClassBroken Class = "broken"
	// ClassTimeout means no answer within Config.PostTimeout.
	ClassTimeout Class = "timeout"
	// ClassCancelled means that the attempt ended for a reason on our side: the caller
	// cancelled, its deadline passed, or the batch could not be read.
	ClassCancelled Class = "cancelled"
)

// health is what an attempt shows of the intake, whatever the batch.
type health int

const (
	healthUnknown health = iota
	healthUp
	healthDown
)

// verdict is what the result of an attempt means.
type verdict struct {
	class Class
	// retry reports whether the same bytes may be accepted later.
	retry bool
	// inDoubt reports whether the intake may have taken the batch nevertheless.
	inDoubt bool
	// throttles reports whether a Retry-After applies to all batches.
	throttles bool
	health    health
}

// judgeStatus returns the verdict on an answer, from its status alone.
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
		// The server behind a gateway may have taken the batch before the failure.
		return verdict{class: ClassUnavailable, retry: true, inDoubt: true, health: healthDown}
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return verdict{class: ClassRefused, health: healthUp}
	}
	switch {
	case status >= 200 && status < 300:
		return verdict{class: ClassAccepted, health: healthUp}
	case status >= 500: // one CDN uses 520 to 530
		return verdict{class: ClassRefused, inDoubt: true, health: healthDown}
	}
	return verdict{class: ClassRefused, health: healthUp}
}

// judgeSilence returns the verdict on an attempt without an answer. Stopped is why its
// context ended, or nil; connected reports whether there was a connection, and sent
// whether the whole request may have gone out on it.
func judgeSilence(stopped error, connected, sent bool) verdict {
	switch {
	case errors.Is(stopped, errPostTimeout):
		return verdict{class: ClassTimeout, retry: true, inDoubt: sent, health: healthDown}
	case stopped != nil:
		return verdict{class: ClassCancelled, inDoubt: sent}
	case !connected:
		return verdict{class: ClassUnreachable, retry: true, health: healthDown}
	}
	return verdict{class: ClassBroken, retry: true, inDoubt: sent, health: healthDown}
}

// judgeUnreadable returns the verdict on an attempt in which the batch could not be read.
// It says nothing about the intake, which has not received the whole request.
func judgeUnreadable() verdict { return verdict{class: ClassCancelled} }

// Outcomes returns all classes of attempts, each with an example of every kind of HTTP
// status that it comes with. 0 stands for no answer.
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
