package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"time"

	"google.golang.org/grpc"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// exampleServer stands for a scopegate server, which usually runs elsewhere.
func exampleServer() (address string, stop func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	handle := func(stream serverStream) error {
		recording, _ := recorder()
		return recording(stream)
	}
	server := grpc.NewServer()
	symdbv1.RegisterSymbolDatabaseServiceServer(server, database{handle: handle})
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String(), server.Stop
}

func Example() {
	address, stop := exampleServer()
	defer stop()

	c, err := client.Dial(address, client.WithOnRetry(func(e client.RetryEvent) {
		log.Printf("%v; going on in %v", e.Err, e.Wait)
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Close() }()

	// A sequence that yields the same each time: the client may range over it again.
	packages := func(yield func(*symdbv1.Scope, error) bool) {
		for _, name := range []string{"main", "internal/cart"} {
			if !yield(&symdbv1.Scope{ScopeType: "package", Name: new(name)}, nil) {
				return
			}
		}
	}
	summary, err := c.UploadScopes(context.Background(), &symdbv1.UploadMetadata{
		Service:  "shop",
		Version:  new("1.2.3"),
		Language: "go",
	}, packages)
	switch {
	case errors.Is(err, client.ErrUpload):
		log.Fatal("try again later: ", err)
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(summary.GetScopeCount(), "scopes")
	// Output: 2 scopes
}

func ExampleClient_Upload() {
	address, stop := exampleServer()
	defer stop()

	c, err := client.Dial(address)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Close() }()

	upload, err := c.Upload(context.Background(), &symdbv1.UploadMetadata{
		Service:  "shop",
		Language: "JAVA",
		UploadId: "2f6c9a1e-6c1a-4d0e-9c55-0d9f6f3b7a11",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer upload.Cancel() // does nothing once the upload has ended

	if err := upload.Send(&symdbv1.Scope{ScopeType: "JAR", Name: new("shop.jar")}); err != nil {
		fmt.Println(err)
		return
	}
	summary, err := upload.CloseAndReceive()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(upload.ID(), summary.GetScopeCount())
	// Output: 2f6c9a1e-6c1a-4d0e-9c55-0d9f6f3b7a11 1
}

// The push form, for scopes that come one by one and can't be found again.
func ExampleUploader() {
	address, stop := exampleServer()
	defer stop()

	c, err := client.Dial(address)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Close() }()

	uploader, err := client.NewUploader(c, &symdbv1.UploadMetadata{
		Service:  "shop",
		Language: "JAVA",
	}, client.UploaderOptions{
		WhenFull: client.DropNewest, // a tracer does not hold up its program
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer uploader.Abandon() // does nothing once the upload has ended

	classLoaded := func(name string) {
		class := &symdbv1.Scope{ScopeType: "CLASS", Name: new(name)}
		if err := uploader.Add(context.Background(), class); err != nil {
			fmt.Println(err)
		}
	}
	classLoaded("shop.Cart")
	classLoaded("shop.Order")

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	summary, err := uploader.Close(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(summary.GetScopeCount(), "scopes,", uploader.Stats().Dropped, "dropped")
	// Output: 2 scopes, 0 dropped
}

// An upload that the first server can't finish goes on at the second.
func ExampleDialAny() {
	first, stopFirst := exampleServer()
	defer stopFirst()
	second, stopSecond := exampleServer()
	defer stopSecond()

	c, err := client.DialAny([]string{first, second})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Close() }()

	summary, err := c.UploadScopes(context.Background(), &symdbv1.UploadMetadata{
		Service:  "shop",
		Language: "go",
	}, func(yield func(*symdbv1.Scope, error) bool) {
		yield(&symdbv1.Scope{ScopeType: "package", Name: new("main")}, nil)
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(summary.GetScopeCount(), "scope")
	// Output: 1 scope
}
