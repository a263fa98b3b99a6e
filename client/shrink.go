package client

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
)

// shrink makes a refused flight smaller if that may help: it removes the scopes that are
// refused, or the second half of a batch that is too large. The batch number can be used
// again, because nothing of a refused single_batch stream was forwarded. Even if an
// earlier attempt was accepted without the client learning it, no scope is lost, because
// the smaller flight has only scopes of the refused one.
func (s *sender) shrink(ctx context.Context, f *flight, failure *Error) bool {
	switch {
	case isBatchTooLarge(failure) && len(f.requests) > 1:
		s.halve(f)
		return true
	case isBatchTooLarge(failure):
		s.refuse(ctx, f, 0, failure)
		return true
	case failure.Code() != codes.InvalidArgument,
		failure.Reason() != ReasonScopeInvalid && failure.Reason() != ReasonScopeTooLarge:
		return false
	}
	ordinals := refusedOrdinals(failure, len(f.requests))
	for _, i := range slices.Backward(ordinals) {
		s.refuse(ctx, f, i, failure)
	}
	return len(ordinals) > 0
}

// isBatchTooLarge reports whether the server, or the intake by a 413, refused the batch as
// too large.
func isBatchTooLarge(failure *Error) bool {
	return failure.Reason() == ReasonBatchTooLarge ||
		failure.IntakeFailure().GetHttpStatus() == http.StatusRequestEntityTooLarge
}

// halve keeps the first half in the flight. The rest follows in later ones.
func (s *sender) halve(f *flight) {
	flightBytes := 0
	for _, request := range f.requests {
		flightBytes += len(request)
	}
	s.thresholdBytes = max(1, min(s.thresholdBytes, flightBytes/2))
	f.requests = f.requests[:len(f.requests)/2]
	f.final = false
}

// refuse removes the scope at index i.
func (s *sender) refuse(ctx context.Context, f *flight, i int, failure *Error) {
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
	s.settings.logger.WarnContext(ctx, "scope refused", "upload_id", s.ID(),
		"scope_type", refused.ScopeType, "name", refused.Name, "error", failure)
	s.settings.uploader.onRefused(refused)
}

// refusedOrdinals returns the indexes of a stream's refused scopes, in ascending order.
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
