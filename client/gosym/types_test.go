package gosym

import (
	"testing"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Fields of a generic type have the common type of all instances.
func TestFieldsOfInstances(t *testing.T) {
	t.Parallel()
	of := func(types ...string) []*symdbv1.Symbol {
		var fields []*symdbv1.Symbol
		for _, typeName := range types {
			fields = append(fields, &symdbv1.Symbol{Type: new(typeName)})
		}
		return fields
	}
	for _, tt := range []struct{ fields, other, want []*symdbv1.Symbol }{
		{of("int", "map[string]int", "p.Box[int]"), of("string", "map[string]int", "p.Box[string]"), of("<T>", "map[string]int", "p.Box[...]")},
		{of("int", "int"), of("string"), of("<T>", "int")}, // damaged
		{of("int"), of("int", "string"), of("int")},
	} {
		generalize(tt.fields, tt.other)
		for i, f := range tt.fields {
			if got, want := f.GetType(), tt.want[i].GetType(); got != want {
				t.Errorf("field %d: type %s, want %s", i, got, want)
			}
		}
	}
}
