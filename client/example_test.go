package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/client/clienttest"
	"github.com/scopegate/scopegate/client/gosym"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// A program uploads its own symbols.
func Example() {
	server, err := clienttest.Start() // in place of `scopegate serve`
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	upload := func(ctx context.Context, addr, token string, logger *slog.Logger) error {
		c, err := client.Dial(addr, client.WithToken(token), client.WithLogger(logger))
		if err != nil {
			return err
		}
		defer c.Close()
		program, err := gosym.OpenSelf(ctx)
		if err != nil {
			return err
		}
		defer program.Close()
		result, err := c.Upload(ctx, program.Metadata(), program.Packages())
		switch {
		case client.IsRetryable(err):
			return fmt.Errorf("try again later: %w", err)
		case err != nil:
			return err
		}
		fmt.Println(result.ScopeCount, "packages")
		return nil
	}
	err = upload(context.Background(), server.Addr(), "sgt_token", slog.New(slog.NewTextHandler(os.Stderr, nil)))
	switch {
	case errors.Is(err, gosym.ErrNoDWARF):
		fmt.Println("no symbols: go test and go run leave them out, go build does not")
	case err != nil:
		log.Fatal(err)
	}
	// Output: no symbols: go test and go run leave them out, go build does not
}

func ExampleClient_Upload() {
	server, err := clienttest.Start() // in place of `scopegate serve`
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	c, err := client.Dial(server.Addr(), client.WithOnRetry(func(e client.RetryEvent) {
		log.Printf("%v; retrying in %v", e.Err, e.Wait)
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	// The sequence yields the same scopes each time, so the client may range over it again.
	packages := func(yield func(*symdbv1.Scope, error) bool) {
		for _, name := range []string{"main", "internal/cart"} {
			if !yield(&symdbv1.Scope{ScopeType: "package", Name: new(name)}, nil) {
				return
			}
		}
	}
	metadata := client.Metadata{Service: "shop", Env: new("prod"), Version: new("1.2.3"), Language: "go"}
	result, err := c.Upload(context.Background(), metadata, packages)
	switch {
	case client.IsRetryable(err):
		log.Fatal("try again later: ", err)
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(result.ScopeCount, "scopes")
	// Output: 2 scopes
}

func ExampleClient_OpenStream() {
	server, err := clienttest.Start() // in place of `scopegate serve`
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	c, err := client.Dial(server.Addr())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	stream, err := c.OpenStream(context.Background(), client.Metadata{Service: "shop", Language: "JAVA"})
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Cancel() // does nothing once the upload has ended

	if err := stream.Send(&symdbv1.Scope{ScopeType: "JAR", Name: new("shop.jar")}); err != nil {
		log.Fatal(err)
	}
	result, err := stream.CloseAndReceive()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.ScopeCount, "scope in", result.BatchCount, "batch")
	// Output: 1 scope in 1 batch
}

// The push form is for scopes that come one by one and can't be read again.
func ExampleClient_NewUploader() {
	server, err := clienttest.Start() // in place of `scopegate serve`
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	c, err := client.Dial(server.Addr())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	ctx := context.Background()
	uploader, err := c.NewUploader(ctx, client.Metadata{Service: "shop", Language: "JAVA"},
		client.WithDropNewest()) // a tracer must not hold up its program
	if err != nil {
		log.Fatal(err)
	}
	defer uploader.Abandon() // does nothing once the upload has ended

	for _, name := range []string{"shop.Cart", "shop.Order"} {
		if err := uploader.Add(ctx, &symdbv1.Scope{ScopeType: "CLASS", Name: new(name)}); err != nil {
			log.Fatal(err)
		}
	}

	closing, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	result, err := uploader.Close(closing)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.ScopeCount, "scopes,", uploader.Stats().Dropped, "dropped")
	// Output: 2 scopes, 0 dropped
}

// An open-ended upload lasts for as long as the process does. Nothing needs to be closed:
// only scopes that are not yet accepted when the process ends are lost.
func ExampleWithOpenEnd() {
	server, err := clienttest.Start() // in place of `scopegate serve`
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	c, err := client.Dial(server.Addr())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // ends the upload
	accepted := make(chan int64)
	uploader, err := c.NewUploader(ctx, client.Metadata{Service: "shop", Language: "python"},
		client.WithOpenEnd(), client.WithThresholdAge(100*time.Millisecond),
		client.WithOnProgress(func(p client.Progress) { accepted <- p.AcceptedScopeCount }))
	if err != nil {
		log.Fatal(err)
	}
	if err := uploader.Add(ctx, &symdbv1.Scope{ScopeType: "MODULE", Name: new("shop.cart")}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-accepted, "scope")
	// Output: 1 scope
}

// An upload that the first server can't finish resumes at the second.
func ExampleDialAny() {
	var addresses []string
	for range 2 {
		server, err := clienttest.Start() // in place of `scopegate serve`
		if err != nil {
			log.Fatal(err)
		}
		defer server.Close()
		addresses = append(addresses, server.Addr())
	}

	c, err := client.DialAny(addresses)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	result, err := c.Upload(context.Background(), client.Metadata{Service: "shop", Language: "go"},
		func(yield func(*symdbv1.Scope, error) bool) {
			yield(&symdbv1.Scope{ScopeType: "package", Name: new("main")}, nil)
		})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.ScopeCount, "scope")
	// Output: 1 scope
}
