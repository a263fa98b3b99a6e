package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// runIdle opens all uploads of a scenario, sends their messages and keeps them
// open; at the end of that it calls held and ends them. Latencies are those from
// the end of an upload to the answer.
func runIdle(ctx context.Context, s scenario, sent payload, address string, held func() error) (_ load, err error) {
	ctx, cancel := context.WithTimeout(ctx, uploadTimeout)
	defer cancel()
	began := time.Now()
	services := make([]symdbv1.SymbolDatabaseServiceClient, s.connections)
	for i := range services {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return load{}, err
		}
		defer func() { err = errors.Join(err, conn.Close()) }()
		services[i] = symdbv1.NewSymbolDatabaseServiceClient(conn)
	}
	uploads := make([]grpc.ClientStreamingClient[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse], s.uploads)
	for i := range uploads {
		if uploads[i], err = services[i%len(services)].UploadScopes(ctx); err != nil {
			return load{}, fmt.Errorf("open upload: %w", err)
		}
		for _, request := range sent.requests {
			if err := uploads[i].Send(request); err != nil {
				return load{}, fmt.Errorf("send: %w", err)
			}
		}
	}
	select {
	case <-time.After(s.hold):
	case <-ctx.Done():
		return load{}, ctx.Err()
	}
	if err := held(); err != nil {
		return load{}, err
	}
	l := load{failures: map[string]int{}}
	var mu sync.Mutex
	var ending errgroup.Group
	for _, upload := range uploads {
		ending.Go(func() error {
			ended := time.Now()
			_, err := upload.CloseAndRecv()
			mu.Lock()
			defer mu.Unlock()
			l.latencies = append(l.latencies, time.Since(ended))
			if err != nil {
				l.failures[err.Error()]++
			}
			return nil
		})
	}
	err = ending.Wait()
	l.took = time.Since(began)
	return l, err
}
