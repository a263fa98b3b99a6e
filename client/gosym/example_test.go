package gosym_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/client/gosym"
)

// A program uploads the packages of its main module. Build it with go build: go run and go
// test leave the symbols out.
func ExampleOpenSelf() { //nolint:testableexamples // a test has no symbols of its own
	ctx := context.Background()
	c, err := client.Dial("127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	self, err := gosym.OpenSelf(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer self.Close()

	result, err := c.Upload(ctx, self.Metadata(), self.Parts())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("uploaded", result.ScopeCount, "scopes")
}

func ExampleOpen() {
	path, err := builtProgram() // go build -o path ./testdata/program
	if err != nil {
		log.Fatal(err)
	}
	b, err := gosym.Open(context.Background(), path, gosym.WithMainModule())
	if errors.Is(err, gosym.ErrNoDWARF) {
		log.Fatal("build it without -ldflags='-s -w'")
	} else if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	fmt.Println("service", b.Metadata().Service)
	for scope, err := range b.Packages() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(scope.GetScopeType(), scope.GetName())
	}
	// Output:
	// service program
	// package example.com/program/v2/assembly
	// package example.com/program/v2/kinds
	// package example.com/program/v2/plain.v2
	// package example.com/program/v2/shape
	// package main
}
