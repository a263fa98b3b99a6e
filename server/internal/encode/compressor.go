package encode

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"

	"github.com/scopegate/scopegate/server/internal/deflate"
)

// compressor compresses one chunk at a time. Nothing of a chunk affects the next.
type compressor struct {
	scope *deflate.Compressor // or nil
	// scratch is what scope writes.
	scratch []byte

	level *flate.Writer
	// window is a copy, because level keeps a reference to its dictionary.
	window []byte
	out    *Segments
}

func newCompressor(level, windowBytes int) (*compressor, error) {
	if level == Scope {
		return &compressor{scope: deflate.New()}, nil
	}
	w, err := flate.NewWriter(io.Discard, level)
	if err != nil {
		return nil, fmt.Errorf("level %d: %w", level, err)
	}
	return &compressor{level: w, window: make([]byte, 0, windowBytes)}, nil
}

// compress appends the blocks of b's JSON from window on, up to a byte boundary.
func (c *compressor) compress(out *Segments, b buffer, window int) {
	if c.scope != nil {
		c.scratch = c.scope.Append(c.scratch[:0], b.json, window, b.marks)
		out.append(c.scratch)
		return
	}
	c.out = out
	c.window = append(c.window[:0], b.json[:window]...)
	c.level.ResetDict(c, c.window)
	_, _ = c.level.Write(b.json[window:]) // appending to Segments can't fail
	_ = c.level.Flush()
	c.out = nil
}

// Write appends the output of level.
func (c *compressor) Write(b []byte) (int, error) {
	c.out.append(b)
	return len(b), nil
}
