package devintake

import (
	"cmp"
	"slices"
)

// DeviationKind is a kind of departure from the protocol that the intake accepts.
type DeviationKind string

// These are accepted in both modes.
const (
	// MissingLine: a symbol has no line, although its symbol_type is not exactly field.
	MissingLine DeviationKind = "missing_line"
	// UnknownKey: the envelope, the event, a scope or a symbol has a key that the protocol does
	// not define. In language_specifics such keys are no deviation.
	UnknownKey DeviationKind = "unknown_key"
	// DDSource: the event's ddsource is not dd_debugger.
	DDSource DeviationKind = "ddsource"
	// EventDiffers: the event's language, or in lenient mode its version, is not the envelope's.
	EventDiffers DeviationKind = "event_differs"
	// Null: env, version or parentId is null, or in lenient mode another key that is optional.
	Null DeviationKind = "null"
)

// These are accepted in lenient mode only.
const (
	// Chunked: the request has no Content-Length.
	Chunked DeviationKind = "chunked"
	// RequestHeader: a header of the request is missing or malformed.
	RequestHeader DeviationKind = "request_header"
	// PartOrder: the event is the first part.
	PartOrder DeviationKind = "part_order"
	// PartHeader: a part has another file name, another content type or more headers.
	PartHeader DeviationKind = "part_header"
	// NotCompressed: the envelope is not compressed.
	NotCompressed DeviationKind = "not_compressed"
	// KeyOrder: keys are in another order.
	KeyOrder DeviationKind = "key_order"
	// Empty: a list or language_specifics is empty instead of left out.
	Empty DeviationKind = "empty"
	// MissingKey: a required key is missing.
	MissingKey DeviationKind = "missing_key"
)

// Deviation counts the deviations of one kind.
type Deviation struct {
	Kind  DeviationKind `json:"kind"`
	Count int           `json:"count"`
	// BatchNum is the first batch that deviates.
	BatchNum int `json:"batch_num"`
	// Example describes the first such place in that batch.
	Example string `json:"example"`
}

// findings are the deviations of one batch.
type findings struct {
	lenient bool
	part    string // that is being read: "file", "event" or empty
	list    []Deviation
}

// count counts a deviation, and returns how many of the kind there are.
func (f *findings) count(kind DeviationKind) int {
	i := f.index(kind)
	if i < 0 {
		i = len(f.list)
		f.list = append(f.list, Deviation{Kind: kind})
	}
	f.list[i].Count++
	return f.list[i].Count
}

func (f *findings) index(kind DeviationKind) int {
	return slices.IndexFunc(f.list, func(d Deviation) bool { return d.Kind == kind })
}

// illustrate sets the example of a kind.
func (f *findings) illustrate(kind DeviationKind, text string) {
	if f.part != "" {
		text = f.part + ": " + text
	}
	f.list[f.index(kind)].Example = text
}

// deviate counts a refusal as a deviation in lenient mode, and otherwise returns it.
func (f *findings) deviate(kind DeviationKind, refusal error) error {
	if !f.lenient {
		return refusal
	}
	if f.count(kind) == 1 {
		f.illustrate(kind, refusal.Error())
	}
	return nil
}

// sumDeviations adds the deviations of a later batch to those of an upload.
func sumDeviations(sum, batch []Deviation) []Deviation {
	for _, d := range batch {
		i := slices.IndexFunc(sum, func(s Deviation) bool { return s.Kind == d.Kind })
		if i < 0 {
			sum = append(sum, d)
		} else {
			sum[i].Count += d.Count
		}
	}
	slices.SortFunc(sum, func(a, b Deviation) int { return cmp.Compare(a.Kind, b.Kind) })
	return sum
}
