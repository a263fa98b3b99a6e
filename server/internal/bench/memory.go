package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/metrics"

	"golang.org/x/sync/errgroup"

	"github.com/scopegate/scopegate/integration/baseline"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/transcode"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

// openUpload is the encoder of an upload that has some scopes and waits for more.
type openUpload interface {
	add(wire []byte) error
	compressedBytes() int
	close()
}

type ourUpload struct {
	plan    *transcode.Plan
	batches *batch.Assembler
	// forward is what becomes of a full batch.
	forward func(*batch.Sealed)
}

func (u *ourUpload) add(wire []byte) error {
	scope, err := u.plan.Check(wire, maxDepth)
	if err != nil {
		return err
	}
	if u.batches.Full() {
		u.forward(u.batches.Seal())
	}
	u.batches.Add(scope)
	scope.Release()
	return nil
}

func (u *ourUpload) compressedBytes() int { return u.batches.CompressedBytes() }

func (u *ourUpload) close() { u.batches.Discard() }

type baselineUpload struct{ *baseline.Encoder }

func (u baselineUpload) add(wire []byte) error { return u.Add(wire) }
func (u baselineUpload) compressedBytes() int  { return u.Len() }
func (u baselineUpload) close()                {}

// makers returns ways to open an upload, by name.
func makers() (names []string, open map[string]func() openUpload, err error) {
	plan := transcodetest.Plan()
	pool, err := encode.NewPool(encode.DefaultSettings())
	if err != nil {
		return nil, nil, err
	}
	names = []string{"ours", "baseline"}
	return names, map[string]func() openUpload{
		"ours": func() openUpload {
			var inFlight *batch.Sealed
			return &ourUpload{
				plan: plan, batches: newAssembler(pool),
				forward: func(b *batch.Sealed) {
					if inFlight != nil {
						inFlight.Body.Release()
					}
					inFlight = b // one batch travels while the next one fills
				},
			}
		},
		"baseline": func() openUpload {
			return baselineUpload{baseline.NewEncoder(func([]byte) error { return nil })}
		},
	}, nil
}

// maxBaselineBytes bounds how much JSON the baseline is given in one measurement,
// because it is slow. What an upload holds does not depend on how many there are.
const maxBaselineBytes = 1_000_000_000

// measureOpen prints the heap that an open upload holds.
func measureOpen(c corpus, counts []int) error {
	names, open, err := makers()
	if err != nil {
		return err
	}
	fmt.Printf("### Heap of an open upload, in kB (%s)\n\n", c.name)
	fmt.Println("| open uploads | JSON each | ours | compressed bytes | beside these | baseline | of uploads | ratio |")
	fmt.Println("|--:|--:|--:|--:|--:|--:|--:|--:|")
	bytesPerMessage := len(c.json) / len(c.messages)
	for _, each := range []int{10_000, 100_000, 1_000_000} {
		for _, count := range counts {
			counts := [2]int{count, min(count, maxBaselineBytes/each)}
			var held, compressed [2]float64
			for i, name := range names {
				held[i], compressed[i], err = holdOpen(c, open[name], counts[i], max(1, each/bytesPerMessage))
				if err != nil {
					return err
				}
			}
			fmt.Printf("| %d | %d kB | %.0f | %.0f | %.0f | %.0f | %d | %.1fx |\n", count, each/1000,
				held[0]/1e3, compressed[0]/1e3, (held[0]-compressed[0])/1e3, held[1]/1e3, counts[1], held[1]/held[0])
		}
	}
	fmt.Println()
	return nil
}

// holdOpen opens count uploads and adds that many messages to each. It returns the heap
// bytes of each while all are open, and how many of these are compressed.
func holdOpen(c corpus, open func() openUpload, count, messages int) (held, compressed float64, err error) {
	uploads := make([]openUpload, count)
	before := liveHeap()
	var fill errgroup.Group
	fill.SetLimit(runtime.GOMAXPROCS(0))
	for i := range uploads {
		fill.Go(func() error {
			uploads[i] = open()
			for j := range messages {
				if err := uploads[i].add(c.messages[(i*messages+j)%len(c.messages)]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := fill.Wait(); err != nil {
		return 0, 0, err
	}
	after := liveHeap()
	for _, u := range uploads {
		compressed += float64(u.compressedBytes())
		u.close()
	}
	return float64(after-before) / float64(count), compressed / float64(count), nil
}

// liveHeap returns the bytes of live objects, exactly.
func liveHeap() int64 {
	for range 3 { // what is pooled survives the first one
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// heapNow returns about the same without stopping the program.
func heapNow() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// measurePeak prints how much one upload of the whole corpus adds to the heap's
// peak. Messages are read from a file into one buffer, as they come from a
// socket, so that they do not count.
func measurePeak(c corpus) error {
	file, err := os.CreateTemp("", "scopes")
	if err != nil {
		return fmt.Errorf("spool messages: %w", err)
	}
	defer func() { _ = file.Close(); _ = os.Remove(file.Name()) }()
	var lengths []int
	longest := 0
	for _, m := range c.messages {
		if _, err := file.Write(m); err != nil {
			return fmt.Errorf("spool messages: %w", err)
		}
		lengths = append(lengths, len(m))
		longest = max(longest, len(m))
	}
	name, size := c.name, len(c.json)
	names, open, err := makers()
	if err != nil {
		return err
	}
	fmt.Printf("### Peak heap of one upload (%s, %.1f MB of JSON)\n\n", name, float64(size)/1e6)
	fmt.Println("| way | MiB above the idle process |")
	fmt.Println("|---|--:|")
	buffer := make([]byte, longest)
	for _, way := range names {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("read messages: %w", err)
		}
		before := liveHeap()
		peak := before
		upload := open[way]()
		for _, n := range lengths {
			if _, err := io.ReadFull(file, buffer[:n]); err != nil {
				return fmt.Errorf("read messages: %w", err)
			}
			if err := upload.add(buffer[:n]); err != nil {
				return err
			}
			peak = max(peak, heapNow())
		}
		upload.close()
		fmt.Printf("| %s | %.1f |\n", way, float64(peak-before)/(1<<20))
	}
	fmt.Println()
	return nil
}
