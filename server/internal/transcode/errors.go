package transcode

import "strings"

// Fault is a kind of error.
type Fault uint8

// The faults that [Plan.Check] finds.
const (
	// Malformed: the bytes are not a protobuf message.
	Malformed Fault = iota + 1
	// InvalidUTF8: a string is not valid UTF-8.
	InvalidUTF8
	// TooDeep: messages are nested deeper than the limit.
	TooDeep
	// Missing: a field that must be set is not, or is empty.
	Missing
	// Repeated: a message field that is not a list occurs twice.
	Repeated
	// NotANumber: a JSON number is infinite or not a number.
	NotANumber
	// TooMany: a map has more keys than the limit of 1024.
	TooMany
)

func (f Fault) String() string {
	switch f {
	case Malformed:
		return "malformed protobuf"
	case InvalidUTF8:
		return "invalid UTF-8"
	case TooDeep:
		return "nested too deep"
	case Missing:
		return "required"
	case Repeated:
		return "set more than once"
	case NotANumber:
		return "not a finite number"
	case TooMany:
		return "too many keys"
	}
	return "invalid"
}

// Error is a fault and its place.
type Error struct {
	Fault Fault
	// Field is the path to the field, such as `scopes[2].symbols[0].name`. It is empty for
	// the root message.
	Field string
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Fault.String()
	}
	return e.Field + ": " + e.Fault.String()
}

// under prepends a step to e's path.
func (e *Error) under(step string) *Error {
	switch {
	case e.Field == "":
		e.Field = step
	case strings.HasPrefix(e.Field, "["):
		e.Field = step + e.Field
	default:
		e.Field = step + "." + e.Field
	}
	return e
}
