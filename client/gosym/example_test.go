package gosym_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/scopegate/scopegate/client/gosym"
)

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
