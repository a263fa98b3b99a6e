package testbed_test

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server"
)

// TestVerifyTells has Verify find what differs from an upload that arrived.
func TestVerifyTells(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) { cfg.FlushThresholdBytes = 0 }})
	metadata, scopes := testbed.NewMetadata(), testbed.NewSource(1).Functions(4)
	summary := bed.Upload(t, metadata, scopes)
	batches, err := bed.Intake.Verify(metadata.GetUploadId(), metadata, scopes)
	if err = errors.Join(err, testbed.VerifySummary(summary, batches)); err != nil {
		t.Fatal(err)
	}

	other := func(change func(*symdbv1.Scope)) []*symdbv1.Scope {
		changed := slices.Clone(scopes)
		changed[2] = proto.CloneOf(changed[2])
		change(changed[2])
		return changed
	}
	for name, sent := range map[string][]*symdbv1.Scope{
		"one more":    append(slices.Clone(scopes), scopes[0]),
		"one fewer":   scopes[:3],
		"other order": {scopes[1], scopes[0], scopes[2], scopes[3]},
		"other line":  other(func(s *symdbv1.Scope) { s.StartLine++ }),
		"no symbol":   other(func(s *symdbv1.Scope) { s.Symbols = s.Symbols[1:] }),
		"no name":     other(func(s *symdbv1.Scope) { s.Name = nil }),
		"empty name":  other(func(s *symdbv1.Scope) { s.Name = new("") }),
	} {
		if _, err := bed.Intake.Verify(metadata.GetUploadId(), metadata, sent); err == nil {
			t.Errorf("%s: Verify finds nothing wrong", name)
		}
	}
	metadata.Version = new("another")
	if _, err := bed.Intake.Verify(metadata.GetUploadId(), metadata, scopes); err == nil {
		t.Error("other metadata: Verify finds nothing wrong")
	}
	summary.RawBytes++
	if err := testbed.VerifySummary(summary, batches); err == nil {
		t.Error("other count: VerifySummary finds nothing wrong")
	}
}

// TestSourceRepeats has the same seed give the same scopes.
func TestSourceRepeats(t *testing.T) {
	t.Parallel()
	first, second, other := testbed.NewSource(1), testbed.NewSource(1), testbed.NewSource(2)
	for range 3 {
		a, b, c := first.Package(5), second.Package(5), other.Package(5)
		if !proto.Equal(a, b) || proto.Equal(a, c) {
			t.Fatal("scopes do not follow from the seed")
		}
	}
}
