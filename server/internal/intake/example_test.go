package intake_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/scopegate/scopegate/server/internal/intake"
)

func ExampleClient_Forward() {
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()

	client, err := intake.New(intake.Config{
		URL:            server.URL,
		PostTimeout:    30 * time.Second,
		BatchDeadline:  5 * time.Minute,
		MaxConnections: 16,
	}, intake.OnAttempt(func(a intake.Attempt) {
		fmt.Println("attempt", a.Number, "at batch", a.BatchNum, "was", a.Class)
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println(client.Forward(context.Background(), intake.Caller{}, smallBatch()))
	// Output:
	// attempt 1 at batch 7 was unavailable
	// attempt 2 at batch 7 was accepted
	// <nil>
}
