package interop_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os/exec"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
)

// decompresses has the language's own zlib read the batches of uploads whose scopes are
// alike, all different, and of any length.
func decompresses(t *testing.T, p *producer) {
	t.Helper()
	bed := newBed(t, nil, "--flush-threshold", batchBytes)
	c, err := client.Dial(bed.server.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	source := testbed.NewSource(90)
	function := source.Function()
	alike := make([]*symdbv1.Scope, 5_000)
	for i := range alike {
		alike[i] = proto.CloneOf(function)
	}
	noise := make([]*symdbv1.Scope, 0, 100)
	for i := range cap(noise) {
		noise = append(noise, source.Noise(1+i*i*3))
	}
	for name, scopes := range map[string][]*symdbv1.Scope{
		"one": source.Functions(1), "functions": source.Functions(2_000), "alike": alike, "noise": noise,
	} {
		metadata := testbed.NewMetadata()
		if _, err := testbed.Upload(t.Context(), c, metadata, scopes); err != nil {
			t.Fatalf("%s: upload: %v", name, err)
		}
		upload, _ := bed.intake.Store.Upload(metadata.GetUploadId())
		for _, batch := range upload.Batches {
			compressed, err := batch.Gzip()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			reader, err := gzip.NewReader(bytes.NewReader(compressed))
			if err != nil {
				t.Fatalf("%s: batch %d: %v", name, batch.BatchNum, err)
			}
			want, err := io.ReadAll(reader)
			if err != nil {
				t.Fatalf("%s: batch %d: %v", name, batch.BatchNum, err)
			}
			command := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(p.path), "gunzip"))
			command.Stdin = bytes.NewReader(compressed)
			got, err := command.Output()
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: batch %d of %d bytes: %d bytes of JSON, %v; want the %d bytes that Go reads",
					name, batch.BatchNum, len(compressed), len(got), err, len(want))
			}
		}
	}
}
