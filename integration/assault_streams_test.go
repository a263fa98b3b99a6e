package integration_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/rawh2"
	"github.com/scopegate/scopegate/integration/internal/testbed"
)

// opening returns an attack: connections that open streams with this header, send the
// same message in each, if there is one, and then nothing.
func opening(conns, streams int, header []hpack.HeaderField, message []byte) func(*testing.T, *assaulted) {
	return func(t *testing.T, s *assaulted) {
		t.Helper()
		for range conns {
			conn := s.dial(t)
			for range streams {
				stream := conn.Open(header)
				stream.Data(t, message, frameBytes)
			}
			conn.Flush()
		}
		s.endure(count(20, 200))
	}
}

// with returns the header with another field.
func with(header []hpack.HeaderField, name, value string) []hpack.HeaderField {
	return append(slices.Clone(header), hpack.HeaderField{Name: name, Value: value})
}

// TestAssaultStreams opens streams, in many ways, and leaves them.
func TestAssaultStreams(t *testing.T) {
	t.Parallel()
	conns, streams := count(6, 60), 1000
	large := testbed.NewMetadata()
	large.RuntimeId = strings.Repeat("r", 16<<10-256)
	watch := rawh2.Message(text(1, strings.Repeat("s", 4000)))
	check, watching := rawh2.Call(healthv1.Health_Check_FullMethodName), rawh2.Call(healthv1.Health_Watch_FullMethodName)
	reflection := rawh2.Call(reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName)
	metadata := func(md *symdbv1.UploadMetadata) []byte { return rawh2.Message(testbed.MetadataMessage(t, md)) }
	scope := rawh2.Message(testbed.ScopeMessage(t, testbed.NewSource(1).Function()))
	anonymous := &symdbv1.UploadMetadata{Service: "s", Language: "go"}
	tests := []assault{
		{name: "uploads without a message", short: true, attack: opening(conns, streams, uploadCall, nil)},
		{name: "uploads without a message, by many connections", attack: opening(count(100, 2000), 1, uploadCall, nil)},
		{name: "uploads without a message, in a flood", attack: opening(count(20, 200), streams, uploadCall, nil)},
		{name: "uploads without a message, with long headers", attack: opening(conns, streams, with(uploadCall, "x-long", strings.Repeat("~", 7000)), nil)},
		{name: "uploads without a message, with a deadline", attack: opening(conns, streams, with(uploadCall, "grpc-timeout", "99999999H"), nil)},
		{name: "uploads with a large message begun", attack: opening(conns, streams, uploadCall, slices.Concat(rawh2.Prefix(4<<20, false), make([]byte, 1<<10)))},
		{name: "uploads with metadata alone", short: true, attack: opening(conns, streams, uploadCall, metadata(anonymous))},
		{name: "uploads with a scope", attack: opening(conns, streams, uploadCall, slices.Concat(metadata(anonymous), scope, scope))},
		{name: "uploads with large metadata", short: true, attack: opening(conns/3, streams, uploadCall, metadata(large))},
		{name: "health checks without a message", attack: opening(conns, streams, check, nil)},
		{name: "health watchers without a message", attack: opening(conns, streams, watching, nil)},
		{name: "health watchers", short: true, attack: opening(conns/3, streams, watching, watch)},
		{name: "reflection without a message", serve: []string{"--reflection"}, attack: opening(conns, streams, reflection, nil)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assail(t, test)
		})
	}
}

// TestAssaultTenant has a tenant that may have few uploads open streams without a
// message, and another one upload meanwhile.
func TestAssaultTenant(t *testing.T) {
	t.Parallel()
	file := newTenants(t)
	few, free := file.add(t, "few", "max_uploads: 5", "max_bytes: 8388608"), file.add(t, "free")
	victim := file.add(t, "victim")
	for name, token := range map[string]string{"with few uploads": few, "with any number": free} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := with(uploadCall, "authorization", "Bearer "+token)
			assail(t, assault{
				name: "uploads without a message, of a tenant " + name, short: name == "with few uploads", serve: []string{"--tenants-file", file.path}, token: victim,
				attack: opening(count(6, 20), 1000, header, nil),
			})
		})
	}
}
