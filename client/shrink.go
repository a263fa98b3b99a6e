package client

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
)

// The server's reasons for which a flight goes on as a smaller one. Nothing of a
// refused single_batch stream was forwarded, so that its number is free.
const (
	reasonBatchTooLarge = "BATCH_TOO_LARGE"
	reasonScopeInvalid  = "SCOPE_INVALID"
	reasonScopeTooLarge = "SCOPE_TOO_LARGE"
)

// shrink makes a refused flight smaller where that may help: it leaves out the
// scopes that are refused, or the second half of too large a batch. The scopes of
// the smaller one are always some of the refused one, so that not even a
// refusal after an acceptance that nobody heard of can lose any.
func (s *sender) shrink(f *flight, failure *Error) bool {
	switch {
	case isBatchTooLarge(failure) && len(f.requests) > 1:
		s.halve(f)
		return true
	case isBatchTooLarge(failure):
		s.refuse(f, 0, failure)
		return true
	case failure.Code() != codes.InvalidArgument,
		failure.Reason() != reasonScopeInvalid && failure.Reason() != reasonScopeTooLarge:
		return false
	}
	ordinals := refusedOrdinals(failure, len(f.requests))
	for _, i := range slices.Backward(ordinals) {
		s.refuse(f, i, failure)
	}
	return len(ordinals) > 0
}

// isBatchTooLarge tells whether less in a batch may help. An intake's 413 means
// the same where the server passes it on.
func isBatchTooLarge(failure *Error) bool {
	return failure.Reason() == reasonBatchTooLarge ||
		failure.IntakeFailure().GetHttpStatus() == http.StatusRequestEntityTooLarge
}

// halve leaves the first half in the flight, the rest to later ones.
func (s *sender) halve(f *flight) {
	flightBytes := 0
	for _, request := range f.requests {
		flightBytes += len(request)
	}
	s.thresholdBytes = max(1, min(s.thresholdBytes, flightBytes/2))
	f.requests = f.requests[:len(f.requests)/2]
	f.final = false
}

// refuse leaves the scope at index i out.
func (s *sender) refuse(f *flight, i int, failure *Error) {
	refused := RefusedScope{Err: failure}
	if root, err := rootOf(f.requests[i]); err == nil {
		refused.ScopeType, refused.Name = root.GetScopeType(), root.GetName()
	}
	s.refusal = failure
	f.requests = slices.Delete(f.requests, i, i+1)

	s.mu.Lock()
	s.heldBytes -= s.held.remove(i, i+1)
	s.stats.Refused++
	s.announce()
	s.mu.Unlock()
	s.options.OnRefused(refused)
}

// refusedOrdinals returns which scopes of a stream are refused, in rising order.
func refusedOrdinals(failure *Error, count int) []int {
	var ordinals []int
	for _, violation := range failure.FieldViolations() {
		rest, ok := strings.CutPrefix(violation.GetField(), "scope[")
		if !ok {
			continue
		}
		digits, _, ok := strings.Cut(rest, "]")
		ordinal, err := strconv.Atoi(digits)
		if ok && err == nil && ordinal >= 0 && ordinal < count {
			ordinals = append(ordinals, ordinal)
		}
	}
	slices.Sort(ordinals)
	return slices.Compact(ordinals)
}
