package load

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

func TestScopesEvenly(t *testing.T) {
	t.Parallel()
	all := make([]*symdbv1.UploadScopesRequest, 8)
	for i := range all {
		all[i] = &symdbv1.UploadScopesRequest{}
	}
	symbols := Symbols{Whole: all[:2], Functions: all}
	if got, want := symbols.Scopes(false, 3), []*symdbv1.UploadScopesRequest{all[0], all[2], all[5]}; !slices.Equal(got, want) {
		t.Errorf("3 of 8: %v, want %v", got, want)
	}
	if got := symbols.Scopes(true, 3); !slices.Equal(got, all[:2]) {
		t.Errorf("3 of 2: %v, want %v", got, all[:2])
	}
}

func TestReadStatus(t *testing.T) {
	t.Parallel()
	var u Usage
	err := u.readStatus(strings.NewReader("Name:\ta b\nVmPeak:\t  9 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n"))
	if want := (Usage{ResidentBytes: 1 << 20, PeakBytes: 2 << 20}); err != nil || u != want {
		t.Errorf("%+v, %v, want %+v", u, err, want)
	}
	for _, wrong := range []string{"VmHWM:\tmuch\nVmRSS:\t1 kB\n", "VmHWM:\t1 kB\n", "Name:\ta\n"} {
		if err := u.readStatus(strings.NewReader(wrong)); err == nil {
			t.Errorf("%q was taken, want an error", wrong)
		}
	}
}

// TestRepeated: scopes are repeated behind the metadata, which there is once.
func TestRepeated(t *testing.T) {
	t.Parallel()
	once := Payload{Messages: [][]byte{{0}, {1}, {2}}, ScopeCount: 2, JSONBytes: 10, EscapedBytes: 11}
	for _, least := range []int64{0, 10} {
		if got := once.Repeated(least); !reflect.DeepEqual(got, once) {
			t.Errorf("at least %d: %+v, want %+v", least, got, once)
		}
	}
	want := Payload{Messages: [][]byte{{0}, {1}, {2}, {1}, {2}, {1}, {2}}, ScopeCount: 6, JSONBytes: 30, EscapedBytes: 33}
	if got := once.Repeated(21); !reflect.DeepEqual(got, want) {
		t.Errorf("at least 21: %+v, want %+v", got, want)
	}
}

// TestFitting: a scope that is too large is passed over, and smaller ones behind it
// are taken.
func TestFitting(t *testing.T) {
	t.Parallel()
	var scopes []*symdbv1.UploadScopesRequest
	for _, nameBytes := range []int{100, 900, 200, 300} {
		scopes = append(scopes, &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{
			Scope: &symdbv1.Scope{ScopeType: "package", Name: new(strings.Repeat("n", nameBytes))},
		}})
	}
	some, err := Fitting(scopes, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(some, []*symdbv1.UploadScopesRequest{scopes[0], scopes[2], scopes[3]}) {
		t.Errorf("%d scopes, want the first, third and fourth", len(some))
	}
}
