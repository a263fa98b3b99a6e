package integration_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

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
	mixed := source.Functions(300)
	for range 6 {
		mixed = append(mixed, source.Package(60), source.Noise(20<<10), source.Function())
	}
	var noise []*symdbv1.Scope
	for range 20 {
		noise = append(noise, source.Noise(9<<10))
	}
	for name, test := range map[string]struct {
		thresholdBytes int
		scopes         []*symdbv1.Scope
	}{
		"below one scope":             {1, mixed[:20]},
		"below what may be unsettled": {8 << 10, mixed},
		"above what may be unsettled": {48 << 10, mixed},
		"incompressible":              {32 << 10, noise},
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
				crossed := batch.Scopes[len(batch.Scopes)-1]
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

// TestThresholdCrossedByLastScope finds the largest threshold that the third of
// five scopes crosses, and then lets the upload end before, at and behind that
// scope. It rests on the same bytes giving the same batches.
func TestThresholdCrossedByLastScope(t *testing.T) {
	t.Parallel()
	source := testbed.NewSource(22)
	metadata := testbed.NewMetadata()
	var scopes []*symdbv1.Scope
	for range 5 { // each so large that its compressed size is looked at
		scopes = append(scopes, source.Noise(40<<10))
	}
	upload := func(t *testing.T, thresholdBytes int, scopes []*symdbv1.Scope) []int {
		t.Helper()
		bed := testbed.New(t, testbed.Options{Configure: threshold(thresholdBytes)})
		md := proto.CloneOf(metadata)
		var counts []int
		for _, batch := range bed.Intake.RequireDelivered(t, bed.Upload(t, md, scopes), md, scopes) {
			counts = append(counts, len(batch.Scopes))
		}
		return counts
	}

	const crossing = 3
	low, high := 1, 5*40<<10
	if first := upload(t, high, scopes)[0]; first <= crossing {
		t.Fatalf("the first batch has %d scopes at the highest threshold", first)
	}
	for high-low > 1 {
		middle := (low + high) / 2
		if upload(t, middle, scopes)[0] <= crossing {
			low = middle
		} else {
			high = middle
		}
	}
	for _, test := range []struct {
		name                        string
		thresholdBytes, scopesCount int
		want                        []int
	}{
		{"ends before", low, crossing - 1, []int{crossing - 1}},
		{"ends with the scope that crosses", low, crossing, []int{crossing}},
		{"ends behind", low, crossing + 1, []int{crossing, 1}},
		{"one byte short", low + 1, crossing + 1, []int{crossing + 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := upload(t, test.thresholdBytes, scopes[:test.scopesCount]); !slices.Equal(got, test.want) {
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
	scopes := testbed.NewSource(23).Functions(200)
	var first []testbed.Post
	for range 2 {
		bed := testbed.New(t, testbed.Options{Configure: threshold(8 << 10)})
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
