package transcode

import "strings"

// Fault is a way in which a message can be wrong.
type Fault uint8

// The faults that [Plan.Check] finds.
const (
	// Malformed: the bytes are no protobuf message.
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

// Error says what is wrong with a message, and where.
type Error struct {
	// Fault is what is wrong.
	Fault Fault
	// Field is the path to the field from the root message, such as
	// `scopes[2].symbols[0].name`. It is empty for the root message itself.
	Field string
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Fault.String()
	}
	return e.Field + ": " + e.Fault.String()
}

// under returns e with its path continued towards the root.
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
