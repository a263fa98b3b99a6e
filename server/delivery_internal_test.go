package server

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// post is what an intake has got in a request.
type post struct {
	UploadID string `json:"upload_id"`
	BatchNum int32  `json:"batch_num"`
	Final    bool   `json:"final"`

	file     []byte
	rawBytes int
}

func readPost(r *http.Request) (p post, err error) {
	part, _, err := r.FormFile("file")
	if err != nil {
		return p, err
	}
	if p.file, err = io.ReadAll(part); err != nil {
		return p, err
	}
	member, err := gzip.NewReader(bytes.NewReader(p.file))
	if err != nil {
		return p, err
	}
	envelope, err := io.ReadAll(member)
	p.rawBytes = len(envelope)
	return p, errors.Join(err, json.Unmarshal(envelope, &p))
}

// A batch that is sealed while the one before it is refused as too large gets the
// number behind that one's parts, and is the same bytes however often it is sent.
func TestBatchBehindASplitOne(t *testing.T) {
	t.Parallel()
	const smallBytes = 1000 // a batch of a small scope has fewer
	refuse := make(chan struct{})
	var mu sync.Mutex
	var tooLarge, away []post // refused: as too large, and for the moment
	var accepted []post
	intake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock() // one upload sends one batch at a time
		p, err := readPost(r)
		switch {
		case err != nil:
			t.Error(err)
		case len(tooLarge) == 0:
			<-refuse
			tooLarge = append(tooLarge, p)
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		case len(away) == 0 && p.rawBytes < smallBytes:
			away = append(away, p)
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			accepted = append(accepted, p)
		}
	}))
	t.Cleanup(intake.Close)
	w := watch(t, func(c *Config) { c.FlushThresholdBytes, c.Intake.URL = 0, intake.URL }, accept)

	stream := w.begin(t, "shop")
	large := &symdbv1.Scope{ScopeType: "package", Name: new("large")}
	noise, random := rand.NewChaCha8([32]byte{}), make([]byte, smallBytes)
	for range 4 {
		_, _ = noise.Read(random)
		large.Scopes = append(large.Scopes, &symdbv1.Scope{ScopeType: "function", Name: new(hex.EncodeToString(random))})
	}
	if err := stream.Send(&symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{Scope: large}}); err != nil {
		t.Fatal(err)
	}
	send(t, stream, 2) // each is a batch
	w.await(t, "a sealed batch behind the one on its way", inState("forwarding batch 1"))
	close(refuse)
	summary, err := stream.CloseAndRecv()
	if err != nil {
		t.Fatal(err)
	}

	mu.Lock()
	defer mu.Unlock()
	var rawBytes, compressedBytes int64
	for i, p := range accepted {
		if last := i == len(accepted)-1; p.UploadID != summary.GetUploadId() || int(p.BatchNum) != i+1 || p.Final != last {
			t.Errorf("accepted: upload %s, batch %d, final %v; want %s, %d, %v",
				p.UploadID, p.BatchNum, p.Final, summary.GetUploadId(), i+1, last)
		}
		rawBytes += int64(p.rawBytes)
		compressedBytes += int64(len(p.file))
	}
	if len(tooLarge) != 1 || len(away) != 1 || len(accepted) < 4 {
		t.Fatalf("%d refused as too large, %d for the moment, %d accepted; want 1, 1, 4 or more", len(tooLarge), len(away), len(accepted))
	}
	if again := accepted[away[0].BatchNum-1]; !bytes.Equal(again.file, away[0].file) {
		t.Errorf("batch %d was sent again with other bytes", again.BatchNum)
	}
	if int(summary.GetBatchCount()) != len(accepted) || summary.GetRawBytes() != rawBytes || summary.GetCompressedBytes() != compressedBytes {
		t.Errorf("summary %v; want %d batches, %d bytes of JSON, %d of gzip", summary, len(accepted), rawBytes, compressedBytes)
	}
}
