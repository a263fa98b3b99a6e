package testbed

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// object is a JSON object, as encoding/json decodes it.
type object = map[string]any

// ScopeJSON returns the JSON of a scope, as encoding/json decodes it. It is written from
// the protocol, independently of the server.
func ScopeJSON(scope *symdbv1.Scope) any {
	o := object{
		"scope_type": scope.GetScopeType(),
		"start_line": float64(scope.GetStartLine()),
		"end_line":   float64(scope.GetEndLine()),
	}
	present(o, "name", scope.Name)
	present(o, "source_file", scope.SourceFile)
	present(o, "has_injectible_lines", scope.HasInjectibleLines)
	list(o, "injectible_lines", scope.GetInjectibleLines(), lineRangeJSON)
	specifics(o, scope.GetLanguageSpecifics())
	list(o, "symbols", scope.GetSymbols(), symbolJSON)
	list(o, "scopes", scope.GetScopes(), ScopeJSON)
	unreserved(o, scope, scope.GetAdditional())
	return o
}

func symbolJSON(symbol *symdbv1.Symbol) any {
	o := object{"name": symbol.GetName(), "type": nil, "symbol_type": symbol.GetSymbolType()}
	present(o, "type", symbol.Type)
	number(o, "line", symbol.Line)
	specifics(o, symbol.GetLanguageSpecifics())
	unreserved(o, symbol, symbol.GetAdditional())
	return o
}

// unreserved adds the keys of an open map that no field of the message has.
func unreserved(o object, message proto.Message, additional map[string]*structpb.Value) {
	fields := message.ProtoReflect().Descriptor().Fields()
	for key, value := range additional {
		if fields.ByName(protoreflect.Name(key)) == nil {
			o[key] = value.AsInterface()
		}
	}
}

func lineRangeJSON(r *symdbv1.LineRange) any {
	return object{"start": float64(r.GetStart()), "end": float64(r.GetEnd())}
}

func specifics(owner object, ls *symdbv1.LanguageSpecifics) {
	if ls == nil {
		return
	}
	o := object{}
	for key, value := range ls.GetAdditional() {
		o[key] = value.AsInterface()
	}
	present(o, "agent_version", ls.AgentVersion)
	present(o, "go_qualified_name", ls.GoQualifiedName)
	list(o, "available_line_ranges", ls.GetAvailableLineRanges(), lineRangeJSON)
	list(o, "access_modifiers", ls.GetAccessModifiers(), textJSON)
	list(o, "annotations", ls.GetAnnotations(), textJSON)
	list(o, "interfaces", ls.GetInterfaces(), textJSON)
	present(o, "super_class", ls.SuperClass)
	list(o, "super_classes", ls.GetSuperClasses(), textJSON)
	present(o, "return_type", ls.ReturnType)
	number(o, "start_column", ls.StartColumn)
	number(o, "end_column", ls.EndColumn)
	present(o, "pdb_exist", ls.PdbExist)
	present(o, "file_hash", ls.FileHash)
	present(o, "function_type", ls.FunctionType)
	present(o, "method_type", ls.MethodType)
	present(o, "visibility", ls.Visibility)
	number(o, "arity", ls.Arity)
	list(o, "included_modules", ls.GetIncludedModules(), textJSON)
	list(o, "prepended_modules", ls.GetPrependedModules(), textJSON)
	owner["language_specifics"] = o
}

func textJSON(text string) any { return text }

func present[T any](o object, key string, value *T) {
	if value != nil {
		o[key] = *value
	}
}

func number(o object, key string, value *int32) {
	if value != nil {
		o[key] = float64(*value)
	}
}

func list[T any](o object, key string, values []T, toJSON func(T) any) {
	if len(values) == 0 {
		return
	}
	all := make([]any, len(values))
	for i, value := range values {
		all[i] = toJSON(value)
	}
	o[key] = all
}

// MergeRoots merges consecutive root scopes, in the form of [ScopeJSON], with the same
// type and name, and likewise the last and the first of their children, like the
// backend. It changes the scopes.
func MergeRoots(scopes []any) []any {
	var merged []any
	for _, next := range scopes {
		if len(merged) > 0 && merge(merged[len(merged)-1], next) {
			continue
		}
		merged = append(merged, next)
	}
	return merged
}

func merge(into, from any) bool {
	a, _ := into.(object)
	b, _ := from.(object)
	if a["scope_type"] != b["scope_type"] || a["name"] != b["name"] {
		return false
	}
	for _, key := range []string{"symbols", "scopes"} {
		have, _ := a[key].([]any)
		more, _ := b[key].([]any)
		if key == "scopes" && len(have) > 0 && len(more) > 0 && merge(have[len(have)-1], more[0]) {
			more = more[1:]
		}
		if len(have)+len(more) > 0 {
			a[key] = append(have, more...)
		}
	}
	return true
}
