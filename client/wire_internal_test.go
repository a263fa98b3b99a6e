package client

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// A long message does not take a buffer of 1 MiB from gRPC's pool.
func TestLongMessagesTakeTheirSize(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, maxPooledBytes - 100, maxPooledBytes, 200 << 10} {
		request := scopeRequest(&symdbv1.Scope{ScopeType: "package", Name: new(strings.Repeat("n", size))})
		want, err := proto.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		got, err := newWireCodec().Marshal(request)
		if err != nil || !bytes.Equal(got.Materialize(), want) {
			t.Errorf("a name of %d bytes: %d bytes, %v, want %d", size, got.Len(), err, len(want))
		}
		if room := cap(got[0].ReadOnlyData()); room > maxPooledBytes && room > len(want)*9/8 {
			t.Errorf("a message of %d bytes takes %d", len(want), room)
		}
		got.Free()
	}
}
