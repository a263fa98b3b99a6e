package integration_test

import (
	"encoding/json"
	"slices"
	"testing"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
)

func TestThresholdOfZeroOrLess(t *testing.T) {
	t.Parallel()
	for name, bytes := range map[string]int{"zero": 0, "negative": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bed := testbed.New(t, testbed.Options{Configure: threshold(bytes)})
			metadata, scopes := testbed.NewMetadata(), testbed.NewSource(20).Functions(7)
			batches := bed.Intake.RequireDelivered(t, bed.Upload(t, metadata, scopes), metadata, scopes)
			if len(batches) != len(scopes) {
				t.Errorf("%d batches, want one for each of %d scopes", len(batches), len(scopes))
			}
		})
	}
}

// TestThresholdIsSoft holds every batch to the bound that the server promises:
// the threshold, 32 KiB and the scope that crossed it.
func TestThresholdIsSoft(t *testing.T) {
	t.Parallel()
	const softBytes = 32 << 10
	source := testbed.NewSource(21)
	mixed := source.Functions(60)
	for range 3 {
		mixed = append(mixed, source.Package(40), source.Noise(4<<10), source.Function())
	}
	var noise []*symdbv1.Scope
	for range 20 {
		noise = append(noise, source.Noise(7<<10))
	}
	for name, test := range map[string]struct {
		thresholdBytes int
		scopes         []*symdbv1.Scope
	}{
		"below one scope": {1, mixed},
		"below 32 KiB":    {8 << 10, mixed},
		"above 32 KiB":    {40 << 10, noise},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bed := testbed.New(t, testbed.Options{Configure: threshold(test.thresholdBytes)})
			metadata := testbed.NewMetadata()
			batches := bed.Intake.RequireDelivered(t, bed.Upload(t, metadata, test.scopes), metadata, test.scopes)
			if len(batches) < 2 {
				t.Fatalf("%d batches, want several", len(batches))
			}
			for _, batch := range batches {
				var envelope struct{ Scopes []json.RawMessage }
				if err := json.Unmarshal(batch.Raw, &envelope); err != nil {
					t.Fatal(err)
				}
				crossed := envelope.Scopes[len(envelope.Scopes)-1]
				bound := int64(test.thresholdBytes + softBytes + len(crossed))
				if batch.CompressedBytes > bound {
					t.Errorf("batch %d has %d bytes, more than %d", batch.Num, batch.CompressedBytes, bound)
				}
				if !batch.Final && batch.CompressedBytes < int64(test.thresholdBytes) {
					t.Errorf("batch %d has %d bytes, fewer than the threshold", batch.Num, batch.CompressedBytes)
				}
			}
		})
	}
}

// TestThresholdCrossedByLastScope finds the largest threshold that the third
// scope crosses, and then lets the upload end before, at and behind that scope.
// It rests on the same bytes giving the same batches.
func TestThresholdCrossedByLastScope(t *testing.T) {
	t.Parallel()
	const (
		crossing = 3
		// scopeBytes is so much that the server looks at each scope's compressed
		// size, endBytes more than what a batch gains when it is sealed.
		scopeBytes, endBytes = 34 << 10, 256
	)
	source := testbed.NewSource(22)
	var scopes []*symdbv1.Scope
	for range crossing + 1 {
		scopes = append(scopes, source.Noise(scopeBytes))
	}
	metadata := testbed.NewMetadata()
	upload := func(t *testing.T, thresholdBytes int, scopes []*symdbv1.Scope) []testbed.Batch {
		t.Helper()
		bed := testbed.New(t, testbed.Options{Configure: threshold(thresholdBytes)})
		return bed.Intake.RequireDelivered(t, bed.Upload(t, metadata, scopes), metadata, scopes)
	}

	whole := upload(t, 1<<20, scopes[:crossing])[0]
	sealed := upload(t, int(whole.CompressedBytes)*5/6, scopes)[0]
	if len(sealed.Scopes) != crossing {
		t.Fatalf("the first batch has %d scopes, want %d", len(sealed.Scopes), crossing)
	}
	crossed, missed := int(sealed.CompressedBytes)-endBytes, int(sealed.CompressedBytes)
	for missed-crossed > 1 {
		middle := (crossed + missed) / 2
		if first := upload(t, middle, scopes)[0]; len(first.Scopes) == crossing {
			crossed = middle
		} else {
			missed = middle
		}
	}
	for _, test := range []struct {
		name                       string
		thresholdBytes, scopeCount int
		want                       []int
	}{
		{"ends before", crossed, crossing - 1, []int{crossing - 1}},
		{"ends with the scope that crosses", crossed, crossing, []int{crossing}},
		{"ends behind", crossed, crossing + 1, []int{crossing, 1}},
		{"one byte short", missed, crossing + 1, []int{crossing + 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []int
			for _, batch := range upload(t, test.thresholdBytes, scopes[:test.scopeCount]) {
				got = append(got, len(batch.Scopes))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("batches of %d scopes, want %d", got, test.want)
			}
		})
	}
}

// TestSameScopesSameBatches holds the server to giving the same bytes for the
// same scopes, whatever else it is busy with.
func TestSameScopesSameBatches(t *testing.T) {
	t.Parallel()
	metadata := testbed.NewMetadata()
	scopes := testbed.NewSource(23).Functions(60)
	var first []testbed.Post
	for range 2 {
		bed := testbed.New(t, testbed.Options{Configure: threshold(4 << 10)})
		bed.Intake.RequireDelivered(t, bed.Upload(t, metadata, scopes), metadata, scopes)
		posts := bed.Intake.Posts()
		if first == nil {
			first = posts
			continue
		}
		if !slices.EqualFunc(first, posts, func(a, b testbed.Post) bool {
			return a.FileSum == b.FileSum && a.EventSum == b.EventSum
		}) {
			t.Error("the same upload gave other batches")
		}
	}
}
