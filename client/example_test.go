package client_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/client/clienttest"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Upload the scopes of a program to a server.
func Example() {
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
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.ScopeCount, "scopes")
	// Output: 2 scopes
}

// Some failures pass, others recur.
func ExampleIsRetryable() {
	server, err := clienttest.Start() // in place of `scopegate serve`
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.Dial(server.Addr(), client.WithMaxAttempts(1))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_ = server.Close() // no server: this passes

	upload := func(metadata client.Metadata) {
		_, err := c.Upload(context.Background(), metadata, func(yield func(*symdbv1.Scope, error) bool) {
			yield(&symdbv1.Scope{ScopeType: "package", Name: new("main")}, nil)
		})
		switch {
		case client.IsRetryable(err):
			fmt.Println("try again later")
		case err != nil:
			fmt.Println("give up:", err)
		}
	}
	upload(client.Metadata{Service: "shop", Language: "go"})
	upload(client.Metadata{Service: "shop"})
	// Output:
	// try again later
	// give up: open upload: InvalidArgument: metadata.language: required
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
