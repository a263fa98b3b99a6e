package selfupload

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// work is a step between two checkpoints, which takes time.
func work(d time.Duration) { <-time.After(d) }

func TestPacerKeepsItsShare(t *testing.T) {
	t.Parallel()
	for _, share := range []float64{0.01, 0.05, 0.5, 1} {
		synctest.Test(t, func(t *testing.T) {
			began, p := time.Now(), newPacer(t.Context(), share)
			const steps, step = 5000, 200 * time.Microsecond
			for range steps {
				work(step)
				if err := p.pass(); err != nil {
					t.Fatal(err)
				}
			}
			got, want := time.Since(began), time.Duration(float64(steps*step)/share)
			if got < want*999/1000 || got > want*1001/1000 {
				t.Errorf("share %v: %v of work took %v, want %v", share, steps*step, got, want)
			}
		})
	}
}

// It rests often: no program notices a millisecond.
func TestPacerRestsAfterEachSlice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t.Context(), 0.05)
		busy := time.Duration(0)
		for range 1000 {
			work(100 * time.Microsecond)
			busy += 100 * time.Microsecond
			before := time.Now()
			if err := p.pass(); err != nil {
				t.Fatal(err)
			}
			if time.Since(before) > 0 {
				busy = 0
			}
			if busy >= slice {
				t.Fatalf("it worked for %v without a rest, want less than %v", busy, slice)
			}
		}
	})
}

// A server that accepts nothing for an hour does not cause a day of rest.
func TestPacerBoundsItsRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t.Context(), 0.05)
		work(time.Hour)
		began := time.Now()
		if err := p.pass(); err != nil {
			t.Fatal(err)
		}
		if got, want := time.Since(began), 19*maxSlice; got < want-1 || got > want+1 {
			t.Errorf("it rested %v, want %v", got, want)
		}
	})
}

// However small its share, it rests.
func TestPacerWithTinyShare(t *testing.T) {
	t.Parallel()
	for _, share := range []float64{1e-13, math.SmallestNonzeroFloat64} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			p := newPacer(ctx, share)
			work(slice)
			if err := p.pass(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("share %v: got %v, want a rest until %v", share, err, context.DeadlineExceeded)
			}
		})
	}
}

func TestPacerEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		p := newPacer(ctx, 0.001)
		work(slice)
		cause := errors.New("shutdown")
		go func() {
			work(time.Millisecond)
			cancel(cause)
		}()
		began := time.Now()
		if err := p.pass(); !errors.Is(err, cause) || time.Since(began) != time.Millisecond {
			t.Errorf("got %v after %v, want %v after 1ms", err, time.Since(began), cause)
		}
	})
}
