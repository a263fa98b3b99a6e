package encode

// Account is told what memory members and segments hold: the capacity of the
// buffers for JSON, and the length of the segments, in bytes.
type Account interface {
	// Draw tells that so many bytes more are held; fewer, where bytes is negative.
	// What is held never sums up to less than nothing. Draw must not block, and be
	// safe for concurrent use.
	Draw(bytes int)
}

// draw tells a where there is one.
func draw(a Account, bytes int) {
	if a != nil && bytes != 0 {
		a.Draw(bytes)
	}
}
