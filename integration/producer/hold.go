package main

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/client/gosym"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// holdAll uploads a binary in the naive way: it holds the debug sections in memory, and
// reads all scopes before it sends the first one.
func holdAll(ctx context.Context, server, path string) error {
	binary, err := gosym.Open(ctx, path, gosym.WithTempDir("/dev/null/none"))
	if err != nil {
		return fmt.Errorf("hold all: %w", err)
	}
	defer binary.Close()
	var scopes []*symdbv1.Scope
	for scope, err := range binary.Packages() {
		if err != nil {
			return fmt.Errorf("hold all: %w", err)
		}
		scopes = append(scopes, scope)
	}
	c, err := client.Dial(server)
	if err != nil {
		return fmt.Errorf("hold all: %w", err)
	}
	_, err = c.Upload(ctx, binary.Metadata(), all(scopes))
	return errors.Join(err, c.Close())
}

func all(scopes []*symdbv1.Scope) iter.Seq2[*symdbv1.Scope, error] {
	return func(yield func(*symdbv1.Scope, error) bool) {
		for _, scope := range scopes {
			if !yield(scope, nil) {
				return
			}
		}
	}
}
