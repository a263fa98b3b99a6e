package deflate_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"

	"github.com/scopegate/scopegate/server/internal/deflate"
)

func ExampleCompressor_Append() {
	text := []byte(`{"name":"first"},{"name":"second"}`)
	marks := make([]uint64, 1)
	for _, value := range []string{"first", "second"} {
		begin := bytes.Index(text, []byte(value))
		marks[0] |= 1<<begin | 1<<(begin+len(value))
	}
	blocks := deflate.New().Append(nil, text, 0, marks)
	blocks = append(blocks, 1, 0, 0, 0xff, 0xff) // the last block of a stream, which is empty

	got, err := io.ReadAll(flate.NewReader(bytes.NewReader(blocks)))
	fmt.Printf("%s %v\n", got, err)
	// Output: {"name":"first"},{"name":"second"} <nil>
}
