package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"

	"github.com/scopegate/scopegate/server/internal/encode"
)

// worstBytes is the length of each text.
const worstBytes = 4 << 20

// worstTexts returns texts unlike scopes, with their names.
func worstTexts() (names []string, texts [][]byte, err error) {
	rng := rand.New(rand.NewPCG(1, 1)) // #nosec G404 -- the same each time
	noise := make([]byte, worstBytes)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	add := func(name string, text []byte) {
		names, texts = append(names, name), append(texts, text[:worstBytes])
	}
	add("random bytes", noise)
	add("base64", []byte(base64.StdEncoding.EncodeToString(noise)))
	add("hexadecimal digits", []byte(hex.EncodeToString(noise)))
	add("zeros", make([]byte, worstBytes))
	long := `"` + base64.StdEncoding.EncodeToString(noise[:2250]) + `",`
	add("one string of 3,000 letters again and again", bytes.Repeat([]byte(long), worstBytes/len(long)+1))
	source, err := goSource()
	if err != nil {
		return nil, nil, err
	}
	add("Go's source files as JSON strings", source)
	return names, texts, nil
}

// goSource returns sources of the Go tree as JSON strings, at least worstBytes.
func goSource() ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(runtime.GOROOT(), "src", "*", "*.go")) //nolint:staticcheck // of the Go that runs
	if err != nil {
		return nil, fmt.Errorf("read Go's source: %w", err)
	}
	var all []byte
	for _, file := range files {
		text, err := os.ReadFile(file) // #nosec G304 -- of the Go tree
		if err != nil {
			return nil, fmt.Errorf("read Go's source: %w", err)
		}
		encoded, err := json.Marshal(string(text))
		if err != nil {
			return nil, fmt.Errorf("read Go's source: %w", err)
		}
		if all = append(append(all, encoded...), ','); len(all) >= worstBytes {
			return all, nil
		}
	}
	return nil, fmt.Errorf("read Go's source: only %d bytes", len(all))
}

// measureWorst prints speed and size of the default compression, and of level 6, for texts
// unlike scopes.
func measureWorst(rounds int) error {
	names, texts, err := worstTexts()
	if err != nil {
		return err
	}
	level6 := encode.DefaultSettings()
	level6.Level = 6
	var pools [2]*encode.Pool
	for i, settings := range []encode.Settings{encode.DefaultSettings(), level6} {
		if pools[i], err = encode.NewPool(settings); err != nil {
			return err
		}
	}
	fmt.Printf("### Texts that are no scopes, %d MiB each\n\n", worstBytes>>20)
	fmt.Println("| text | scope, MB/s | bytes to stdlib -6 | level 6, MB/s | bytes to stdlib -6 |")
	fmt.Println("|---|--:|--:|--:|--:|")
	for i, text := range texts {
		var std bytes.Buffer
		w, err := gzip.NewWriterLevel(&std, 6)
		if err != nil {
			return err
		}
		if _, err := (&counter{}).finish(w, text); err != nil {
			return err
		}
		fmt.Printf("| %s |", names[i])
		for _, pool := range pools {
			var seconds []float64
			size := 0
			for range rounds {
				took, err := timed(func() error {
					size = compressText(pool, text)
					return nil
				})
				if err != nil {
					return err
				}
				seconds = append(seconds, took)
			}
			fmt.Printf(" %.0f | %.2f |", float64(len(text))/1e6/median(seconds), float64(size)/float64(std.Len()))
		}
		fmt.Println()
	}
	fmt.Println()
	return nil
}

// compressText returns how long a batch of text is.
func compressText(pool *encode.Pool, text []byte) int {
	member := pool.NewMember(nil)
	_, _ = member.Write(text) // can't fail
	body := member.Finish()
	defer body.Release()
	return body.Len()
}
