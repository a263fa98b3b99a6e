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
	gatherAdditional(object)
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

var specificsFields = (*symdbv1.LanguageSpecifics)(nil).ProtoReflect().Descriptor().Fields()

// gatherAdditional moves keys of language_specifics that are no fields into the open map,
// in a scope or symbol and those below it.
func gatherAdditional(object map[string]any) {
	if specifics, ok := object["language_specifics"].(map[string]any); ok {
		additional := make(map[string]any)
		for key, value := range specifics {
			if key == "additional" || specificsFields.ByName(protoreflect.Name(key)) == nil {
				additional[key] = value
				delete(specifics, key)
			}
		}
		if len(additional) > 0 {
			specifics["additional"] = additional
		}
	}
	for _, list := range []string{"symbols", "scopes"} {
		children, _ := object[list].([]any)
		for _, child := range children {
			if child, ok := child.(map[string]any); ok {
				gatherAdditional(child)
			}
		}
	}
}
