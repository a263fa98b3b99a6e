package integration_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server"
)

const (
	maxScopeBytes    = 32 << 10
	maxMetadataBytes = 4 << 10
	maxFieldBytes    = 256 // of the texts in the metadata
	maxDepth         = 8
)

// smallLimits are limits that a test can cross cheaply. Each scope is forwarded
// by itself, so that batches are there when a later scope is bad.
func smallLimits(cfg *server.Config) {
	cfg.FlushThresholdBytes = 0
	cfg.MaxScopeBytes = maxScopeBytes
	cfg.MaxMetadataBytes = maxMetadataBytes
	cfg.MaxDepth = maxDepth
}

// TestBadMetadata sends uploads that go wrong before the first scope.
func TestBadMetadata(t *testing.T) {
	t.Parallel()
	metadata := func(change func(*symdbv1.UploadMetadata)) [][]byte {
		md := testbed.NewMetadata()
		change(md)
		return [][]byte{testbed.MetadataMessage(t, md), testbed.ScopeMessage(t, testbed.NewSource(1).Function())}
	}
	uploadID := func(id string) [][]byte {
		return metadata(func(md *symdbv1.UploadMetadata) { md.UploadId = id })
	}
	scope := testbed.ScopeMessage(t, testbed.NewSource(2).Function())
	good := testbed.MetadataMessage(t, testbed.NewMetadata())
	goodID := uuid.NewString()
	tests := []struct {
		name          string
		messages      [][]byte
		reason, field string
	}{
		{"no message at all", nil, "STREAM_INVALID", "metadata"},
		{"a scope first", [][]byte{scope, scope}, "STREAM_INVALID", "metadata"},
		{"an empty message first", [][]byte{{}, good, scope}, "STREAM_INVALID", "metadata"},
		{"malformed message", [][]byte{{0xff}, scope}, "STREAM_INVALID", "metadata"},
		{"malformed metadata", [][]byte{payload(1, []byte{0xff}), scope}, "METADATA_INVALID", "metadata"},
		{"cut off", [][]byte{good[:len(good)-1], scope}, "STREAM_INVALID", "metadata"},
		{"twice in one message", [][]byte{append(bytes.Clone(good), good...), scope}, "STREAM_INVALID", "metadata"},
		{"with a scope in one message", [][]byte{append(bytes.Clone(good), scope...), scope}, "STREAM_INVALID", "metadata"},
		{"invalid UTF-8", [][]byte{payload(1, text(1, "\xff")), scope}, "METADATA_INVALID", "metadata"},
		{"empty metadata", [][]byte{payload(1, nil), scope}, "METADATA_INVALID", "metadata.service"},
		{
			"empty service", metadata(func(md *symdbv1.UploadMetadata) { md.Service = "" }),
			"METADATA_INVALID", "metadata.service",
		},
		{
			"empty language", metadata(func(md *symdbv1.UploadMetadata) { md.Language = "" }),
			"METADATA_INVALID", "metadata.language",
		},
		{"upload_id in words", uploadID("upload-1"), "METADATA_INVALID", "metadata.upload_id"},
		{"upload_id in braces", uploadID("{" + goodID + "}"), "METADATA_INVALID", "metadata.upload_id"},
		{"upload_id as URN", uploadID("urn:uuid:" + goodID), "METADATA_INVALID", "metadata.upload_id"},
		{
			"upload_id without hyphens", uploadID(strings.ReplaceAll(goodID, "-", "")),
			"METADATA_INVALID", "metadata.upload_id",
		},
		{
			"larger than its limit", metadata(func(md *symdbv1.UploadMetadata) { md.Version = new(strings.Repeat("v", maxMetadataBytes)) }),
			"METADATA_INVALID", "metadata",
		},
		{"without a scope", [][]byte{good}, "STREAM_INVALID", "scope[0]"},
	}
	long := strings.Repeat("v", maxFieldBytes+1)
	for field, change := range map[string]func(*symdbv1.UploadMetadata){
		"service":    func(md *symdbv1.UploadMetadata) { md.Service = long },
		"env":        func(md *symdbv1.UploadMetadata) { md.Env = new(long) },
		"version":    func(md *symdbv1.UploadMetadata) { md.Version = new(long) },
		"language":   func(md *symdbv1.UploadMetadata) { md.Language = long },
		"runtime_id": func(md *symdbv1.UploadMetadata) { md.RuntimeId = long },
		"upload_id":  func(md *symdbv1.UploadMetadata) { md.UploadId = long },
	} {
		tests = append(tests, struct {
			name          string
			messages      [][]byte
			reason, field string
		}{"long " + field, metadata(change), "METADATA_INVALID", "metadata." + field})
	}
	bed := testbed.New(t, testbed.Options{Configure: smallLimits})
	t.Run("each", func(t *testing.T) {
		t.Parallel()
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				_, err := testbed.UploadRaw(testbed.Context(t), bed.Conn, test.messages)
				bed.RequireInvalid(t, err, test.reason, test.field)
			})
		}
	})
	t.Cleanup(func() {
		bed.Stop(t)
		if posts := bed.Intake.Posts(); len(posts) > 0 {
			t.Errorf("%d requests at the intake, want none", len(posts))
		}
	})
}

// scopesBefore is how many good scopes come before the bad message.
const scopesBefore = 3

// TestBadScope sends uploads whose fourth scope is bad.
func TestBadScope(t *testing.T) {
	t.Parallel()
	scope := func(change func(*symdbv1.Scope)) []byte {
		s := &symdbv1.Scope{ScopeType: "class", Name: new("Bad")}
		change(s)
		return testbed.ScopeMessage(t, s)
	}
	symbol := func(symbol *symdbv1.Symbol) []byte {
		return scope(func(s *symdbv1.Scope) {
			s.Symbols = []*symdbv1.Symbol{{Name: new(""), SymbolType: "arg"}, symbol}
		})
	}
	additional := func(value *structpb.Value) []byte {
		return scope(func(s *symdbv1.Scope) {
			s.LanguageSpecifics = &symdbv1.LanguageSpecifics{Additional: map[string]*structpb.Value{"key": value}}
		})
	}
	good := scope(func(*symdbv1.Scope) {})
	with := func(fields ...[]byte) []byte { return payload(2, append(text(1, "class"), bytes.Join(fields, nil)...)) }
	specifics := message(8, text(2, "main.main"))
	source := testbed.NewSource(3)
	const specificsField = "scope[3].language_specifics"
	deepest := "scope[3]" + strings.Repeat(".scopes[0]", maxDepth)

	tests := []struct {
		name          string
		message       []byte
		reason, field string
	}{
		{"an empty message", []byte{}, "STREAM_INVALID", "scope[3]"},
		{"only an unknown field", text(15, "new"), "STREAM_INVALID", "scope[3]"},
		{"metadata again", testbed.MetadataMessage(t, testbed.NewMetadata()), "STREAM_INVALID", "metadata"},
		{"two scopes in one message", append(bytes.Clone(good), good...), "STREAM_INVALID", "scope[3]"},
		{"malformed message", []byte{0xff, 0xff}, "STREAM_INVALID", "scope[3]"},
		{"message cut off", good[:len(good)-1], "STREAM_INVALID", "scope[3]"},
		{"malformed scope", payload(2, []byte{0x0a, 0x7f}), "SCOPE_INVALID", "scope[3].scope_type"},
		{"malformed in a child", with(message(10, []byte{0x08})), "SCOPE_INVALID", "scope[3].scopes[0]"},
		{"group that has no end", with([]byte{0x7b}), "SCOPE_INVALID", "scope[3]"},
		{"invalid UTF-8", with(text(2, "a\xc3")), "SCOPE_INVALID", "scope[3].name"},
		{"invalid UTF-8 in a list", with(message(8, append(text(4, "public"), text(4, "\xed\xa0\x80")...))), "SCOPE_INVALID", specificsField + ".access_modifiers[1]"},
		{"nested too deep", testbed.ScopeMessage(t, source.Nested(maxDepth+1)), "SCOPE_INVALID", deepest},
		{"values nested too deep", additional(nestedList(100)), "SCOPE_INVALID", specificsField + `.additional["key"]` + strings.Repeat("[0]", maxDepth-3)},
		{"larger than its limit", noiseMessage(t, maxScopeBytes+1), "SCOPE_TOO_LARGE", "scope[3]"},
		{"no scope_type", payload(2, text(2, "f")), "SCOPE_INVALID", "scope[3].scope_type"},
		{"empty scope", payload(2, nil), "SCOPE_INVALID", "scope[3].scope_type"},
		{"empty scope_type", payload(2, text(1, "")), "SCOPE_INVALID", "scope[3].scope_type"},
		{
			"no scope_type in a child", scope(func(s *symdbv1.Scope) { s.Scopes = []*symdbv1.Scope{{ScopeType: "m"}, {}} }),
			"SCOPE_INVALID", "scope[3].scopes[1].scope_type",
		},
		{"no symbol name", symbol(&symdbv1.Symbol{SymbolType: "arg"}), "SCOPE_INVALID", "scope[3].symbols[1].name"},
		{
			"no symbol_type", symbol(&symdbv1.Symbol{Name: new("a")}),
			"SCOPE_INVALID", "scope[3].symbols[1].symbol_type",
		},
		{
			"a singular message twice", with(specifics, specifics),
			"SCOPE_INVALID", specificsField,
		},
		{"a number that JSON has not", additional(structpb.NewNumberValue(math.Inf(1))), "SCOPE_INVALID", specificsField + `.additional["key"]`},
		{"a value that is none", additional(&structpb.Value{}), "SCOPE_INVALID", specificsField + `.additional["key"]`},
	}
	bed := testbed.New(t, testbed.Options{Configure: smallLimits})
	ids := make([]string, len(tests))
	t.Run("each", func(t *testing.T) {
		t.Parallel()
		for i, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				metadata := testbed.NewMetadata()
				ids[i] = metadata.GetUploadId()
				before := testbed.NewSource(uint64(i)).Functions(scopesBefore)
				messages := [][]byte{testbed.MetadataMessage(t, metadata)}
				for _, scope := range before {
					messages = append(messages, testbed.ScopeMessage(t, scope))
				}
				// Two more, so that the bad one is not the last either.
				messages = append(messages, test.message, good, good)
				_, err := testbed.UploadRaw(testbed.Context(t), bed.Conn, messages)
				bed.RequireInvalid(t, err, test.reason, test.field)
				requireServing(t, bed)
			})
		}
	})
	t.Cleanup(func() {
		bed.Stop(t)
		for i, id := range ids {
			if id == "" {
				continue // -run has left it out
			}
			bed.Intake.RequireNoFinal(t, id)
			// The third scope's batch would be sealed by a good fourth one.
			if upload, ok := bed.Intake.Store.Upload(id); !ok || upload.BatchCount >= scopesBefore {
				t.Errorf("%s: %d batches at the intake, want 1 or 2", tests[i].name, upload.BatchCount)
			}
		}
	})
}

// TestLargerThanAnyMessage sends messages so long that they are refused before they are
// read.
func TestLargerThanAnyMessage(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Configure: smallLimits})
	metadata := testbed.NewMetadata()
	large := testbed.NewMetadata()
	large.Version = new(strings.Repeat("v", 2*maxScopeBytes))
	good := testbed.ScopeMessage(t, testbed.NewSource(5).Function())
	for name, messages := range map[string][][]byte{
		"metadata": {testbed.MetadataMessage(t, large), good},
		"scope": {
			testbed.MetadataMessage(t, metadata), good, good, good, noiseMessage(t, 2*maxScopeBytes), good,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := testbed.UploadRaw(testbed.Context(t), bed.Conn, messages)
			if status.Code(err) != codes.ResourceExhausted {
				t.Errorf("%v, want RESOURCE_EXHAUSTED", err)
			}
			requireServing(t, bed)
		})
	}
	t.Cleanup(func() {
		bed.Stop(t)
		bed.Intake.RequireNoFinal(t, metadata.GetUploadId())
		bed.Intake.RequireNoFinal(t, large.GetUploadId())
	})
}

// TestAtTheLimit sends what is just not too much.
func TestAtTheLimit(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("v", maxFieldBytes)
	metadata := testbed.NewMetadata()
	metadata.Service, metadata.Env, metadata.Version, metadata.Language, metadata.RuntimeId = longest, new(longest), new(longest), longest, longest
	metadata.ProtoReflect().SetUnknown(text(99, strings.Repeat("u", maxMetadataBytes-proto.Size(metadata)-4)))
	if size := proto.Size(metadata); size != maxMetadataBytes {
		t.Fatalf("metadata of %d bytes, want %v", size, maxMetadataBytes)
	}
	bed := testbed.New(t, testbed.Options{Configure: smallLimits})
	largest := sizedScope(t, maxScopeBytes)
	deepest := testbed.NewSource(1).Nested(maxDepth)
	messages := [][]byte{
		testbed.MetadataMessage(t, metadata), testbed.ScopeMessage(t, largest), testbed.ScopeMessage(t, deepest),
	}
	summary, err := testbed.UploadRaw(testbed.Context(t), bed.Conn, messages)
	if err != nil {
		t.Fatal(err)
	}
	bed.Intake.RequireDelivered(t, summary, metadata, []*symdbv1.Scope{largest, deepest})
}

// TestUnusualEncoding sends what no encoder writes, but protobuf allows.
func TestUnusualEncoding(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{})
	metadata := testbed.NewMetadata()
	wire := bytes.Join([][]byte{
		text(2, "lost"), text(99, "unknown"), // the last one of a scalar counts, an unknown field is skipped
		message(10, text(1, "method")),
		text(1, "class"), text(2, "found"),
		message(10, text(1, "field")),
	}, nil)
	summary, err := testbed.UploadRaw(testbed.Context(t), bed.Conn, [][]byte{
		testbed.MetadataMessage(t, metadata),
		append(text(15, "unknown"), payload(2, wire)...),
	})
	if err != nil {
		t.Fatal(err)
	}
	bed.Intake.RequireDelivered(t, summary, metadata, []*symdbv1.Scope{{
		ScopeType: "class", Name: new("found"), Scopes: []*symdbv1.Scope{{ScopeType: "method"}, {ScopeType: "field"}},
	}})
}

// sizedScope returns a scope of exactly that many bytes.
func sizedScope(t *testing.T, bytes int) *symdbv1.Scope {
	t.Helper()
	scope := testbed.NewSource(4).Noise(bytes - 200)
	scope.ScopeType += strings.Repeat("x", bytes-proto.Size(scope))
	for proto.Size(scope) > bytes {
		scope.ScopeType = scope.ScopeType[1:]
	}
	if size := proto.Size(scope); size != bytes {
		t.Fatalf("scope of %d bytes, want %d", size, bytes)
	}
	return scope
}

func noiseMessage(t *testing.T, bytes int) []byte {
	t.Helper()
	return testbed.ScopeMessage(t, sizedScope(t, bytes))
}

func nestedList(depth int) *structpb.Value {
	value := structpb.NewBoolValue(true)
	for range depth {
		value = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{value}})
	}
	return value
}

// payload, message and text return a field of protobuf's wire format.
func payload(number protowire.Number, value []byte) []byte { return message(number, value) }

func message(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

func text(number protowire.Number, value string) []byte { return message(number, []byte(value)) }
