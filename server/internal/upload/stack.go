package upload

import (
	"context"
	"iter"
	"runtime"
)

// stacks lends stacks for work that needs much of one. A goroutine that mostly waits, as a
// stream's do, keeps its own stack small in this way: one that has grown hardly ever
// shrinks. The work runs on a coroutine, because a switch to one takes a tenth of a
// microsecond, and to another goroutine several.
type stacks struct {
	server *Server
	free   chan *stack
}

// stack is the stack of a coroutine that does one piece of work after the other.
type stack struct {
	server *Server
	resume func() (struct{}, bool)
	end    func()

	ctx  context.Context //nolint:containedctx // of the work
	work func() error
	err  error
}

func newStacks(s *Server) stacks {
	return stacks{server: s, free: make(chan *stack, 4*runtime.GOMAXPROCS(0))}
}

// run runs work on another stack, and returns its error. A panic becomes an error.
func (s stacks) run(ctx context.Context, work func() error) error {
	var on *stack
	select {
	case on = <-s.free:
	default:
		on = &stack{server: s.server}
		on.resume, on.end = iter.Pull(on.serve)
	}
	on.ctx, on.work = ctx, work
	on.resume()
	err := on.err
	on.ctx, on.work, on.err = nil, nil, nil
	select {
	case s.free <- on:
	default:
		on.end()
	}
	return err
}

func (s *stack) serve(yield func(struct{}) bool) {
	for {
		s.do()
		if !yield(struct{}{}) {
			return
		}
	}
}

func (s *stack) do() {
	defer s.server.catch(s.ctx, func(panicked error) { s.err = panicked })
	s.err = s.work()
}

// close ends the coroutines. No work may run.
func (s stacks) close() {
	for {
		select {
		case on := <-s.free:
			on.end()
		default:
			return
		}
	}
}
