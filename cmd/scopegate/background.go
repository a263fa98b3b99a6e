package main

import (
	"context"
	"net"
)

type listeners = []net.Listener

// background is a server that runs beside the command, on a free port.
type background struct {
	address string
	cancel  context.CancelFunc
	ended   chan error
}

// start listens, and runs serve until stop is called.
func start(ctx context.Context, serve func(context.Context, listeners) error) (*background, error) {
	l, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	// It outlives ctx until it is stopped, so that all stop in order.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b := &background{address: addressOf(l), cancel: cancel, ended: make(chan error, 1)}
	go func() { b.ended <- serve(ctx, listeners{l}) }()
	return b, nil
}

// stop asks the server to stop, and waits until it has. It is called once.
func (b *background) stop() error {
	b.cancel()
	return <-b.ended
}
