package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

// measureFairness prints how long a small upload takes to add a chunk's worth of
// 1 kB messages, alone and while other uploads add the corpus's largest message
// again and again. The difference is its wait for a core or a compressor.
func measureFairness(large, small corpus) error {
	huge := slices.MaxFunc(large.messages, func(a, b []byte) int { return len(a) - len(b) })
	fmt.Printf("### Waiting for a compressor: a small upload on %d cores, messages of %.1f MB of protobuf beside them\n\n",
		runtime.GOMAXPROCS(0), float64(len(huge))/1e6)
	fmt.Println("| huge uploads at the same time | median, ms a chunk | p99 | longest |")
	fmt.Println("|--:|--:|--:|--:|")
	for _, others := range []int{0, 1, 2, 8} {
		took, err := addBeside(huge, small, others)
		if err != nil {
			return err
		}
		slices.Sort(took)
		at := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1e3 }
		fmt.Printf("| %d | %.2f | %.2f | %.2f |\n", others, at(0.5), at(0.99), at(1))
	}
	fmt.Println()
	return nil
}

func addBeside(huge []byte, small corpus, others int) ([]time.Duration, error) {
	plan := transcodetest.Plan()
	pool, err := encode.NewPool(encode.DefaultSettings())
	if err != nil {
		return nil, err
	}
	open := func() *ourUpload {
		return &ourUpload{plan: plan, batches: newAssembler(pool), forward: release}
	}
	stop := make(chan struct{})
	var background sync.WaitGroup
	for range others {
		background.Go(func() {
			u := open()
			defer u.close()
			for {
				select {
				case <-stop:
					return
				default:
					_ = u.add(huge) // it was added before, when the corpus was read
				}
			}
		})
	}
	defer background.Wait()
	defer close(stop)
	u := open()
	defer u.close()
	const chunks = 200
	var took []time.Duration
	n := 0
	for range chunks {
		start := time.Now()
		for added := 0; added < encode.DefaultSettings().ChunkBytes; n++ {
			before := u.batches.RawBytes()
			if err := u.add(small.messages[n%len(small.messages)]); err != nil {
				return nil, err
			}
			added += int(max(0, u.batches.RawBytes()-before))
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}
