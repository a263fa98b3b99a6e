package clienttest

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// decodeScope decodes a scope of a batch. Its keys are the names of the fields.
func decodeScope(text json.RawMessage) (*symdbv1.Scope, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	gatherAdditional(object, (*symdbv1.Scope)(nil).ProtoReflect().Descriptor())
	text, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	scope := &symdbv1.Scope{}
	if err := protojson.Unmarshal(text, scope); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return scope, nil
}

// gatherAdditional moves keys that are not fields of a message into its open map, in an
// object and those inside it.
func gatherAdditional(object map[string]any, message protoreflect.MessageDescriptor) {
	fields := message.Fields()
	isOpen := fields.ByName("additional") != nil
	additional := make(map[string]any)
	for key, value := range object {
		field := fields.ByName(protoreflect.Name(key))
		switch {
		case field != nil && !field.IsMap():
			gatherBelow(value, field.Message())
		case isOpen:
			additional[key] = value
			delete(object, key)
		}
	}
	if len(additional) > 0 {
		object["additional"] = additional
	}
}

// gatherBelow calls gatherAdditional for the value of a field, or for its elements.
func gatherBelow(value any, message protoreflect.MessageDescriptor) {
	if message == nil {
		return
	}
	switch value := value.(type) {
	case map[string]any:
		gatherAdditional(value, message)
	case []any:
		for _, element := range value {
			gatherBelow(element, message)
		}
	}
}
