package rawh2

import (
	"bufio"
	"maps"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// seen is the state of what the server has sent.
type seen struct {
	streams  map[uint32]*Stream
	settings map[http2.SettingID]uint32
	acked    int // SETTINGS
	resets   map[http2.ErrCode]int
	window   int64 // granted by WINDOW_UPDATE, of the connection
	goAway   *http2.ErrCode
	ended    bool
}

// Stream is the state of what the server has sent on a stream.
type Stream struct {
	ID uint32

	conn    *Conn
	fields  map[string]string // of the header and the trailer
	granted int64             // by WINDOW_UPDATE
	reset   *http2.ErrCode
	ended   bool

	// sent is how many bytes of DATA were written, allowed the limit.
	sent, allowed int64
}

// Field returns a field of the stream's header or trailer.
func (s *Stream) Field(name string) string {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.fields[name]
}

// all returns all fields of the stream's header and trailer.
func (s *Stream) all() map[string]string {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return maps.Clone(s.fields)
}

// Reset returns the code with which the server has reset the stream, if it has.
func (s *Stream) Reset() (code http2.ErrCode, ok bool) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.reset == nil {
		return 0, false
	}
	return *s.reset, true
}

// AwaitHeader waits until the stream has that field in its header.
func (s *Stream) AwaitHeader(tb testing.TB, name string) {
	tb.Helper()
	s.conn.await(tb, "the header of a stream", func() bool { _, ok := s.fields[name]; return ok })
}

// AwaitEnd waits until the server has ended or reset the stream.
func (s *Stream) AwaitEnd(tb testing.TB) {
	tb.Helper()
	s.conn.await(tb, "the end of a stream", func() bool { return s.ended || s.reset != nil })
}

// Settle waits until the server has read all that was written.
func (c *Conn) Settle(tb testing.TB) {
	tb.Helper()
	if !c.Settles() {
		tb.Fatalf("the connection has ended (GOAWAY %v) before all was read", c.AwaitRefused())
	}
}

// Settles is like Settle. It reports whether the server has read everything written, as
// opposed to closing the connection.
func (c *Conn) Settles() bool {
	c.Frames(func(f *http2.Framer) error { return f.WriteSettings() })
	c.settled++
	c.Flush()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.seen.acked < c.settled && !c.seen.ended {
		c.changed.Wait()
	}
	return c.seen.acked >= c.settled
}

// AwaitResets waits for that many streams to be reset, and returns the number by code.
func (c *Conn) AwaitResets(tb testing.TB, count int) map[http2.ErrCode]int {
	tb.Helper()
	total := func() (n int) {
		for _, count := range c.seen.resets {
			n += count
		}
		return n
	}
	c.await(tb, "streams to be reset", func() bool { return total() >= count })
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.seen.resets)
}

// Setting returns a setting that the server has announced.
func (c *Conn) Setting(tb testing.TB, id http2.SettingID) (value uint32, ok bool) {
	tb.Helper()
	c.await(tb, "the server's SETTINGS", func() bool { return c.seen.settings != nil })
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok = c.seen.settings[id]
	return value, ok
}

// AwaitRefused waits until the server has sent GOAWAY, and returns its code, or has closed
// the connection without one, and returns NO_ERROR.
func (c *Conn) AwaitRefused() http2.ErrCode {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.seen.goAway == nil && !c.seen.ended {
		c.changed.Wait()
	}
	if c.seen.goAway == nil {
		return http2.ErrCodeNo
	}
	return *c.seen.goAway
}

// await waits until the condition, which is called with the lock held, is true. It fails
// the test if the connection ends before.
func (c *Conn) await(tb testing.TB, text string, condition func() bool) {
	tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !condition() {
		if c.seen.ended {
			tb.Fatalf("the connection has ended (GOAWAY %v) before %s", c.seen.goAway, text)
		}
		c.changed.Wait()
	}
}

// read records received frames until the connection ends.
func (c *Conn) read() {
	framer := http2.NewFramer(nil, bufio.NewReader(c.tcp))
	framer.SetReuseFrames()
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		frame, err := framer.ReadFrame()
		c.mu.Lock()
		if err != nil {
			c.seen.ended = true
		} else {
			c.seen.frame(frame)
		}
		c.changed.Broadcast()
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *seen) frame(frame http2.Frame) {
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		s.setting(frame)
	case *http2.WindowUpdateFrame:
		if frame.StreamID == 0 {
			s.window += int64(frame.Increment)
		} else if stream := s.streams[frame.StreamID]; stream != nil {
			stream.granted += int64(frame.Increment)
		}
	case *http2.RSTStreamFrame:
		if s.resets == nil {
			s.resets = make(map[http2.ErrCode]int)
		}
		s.resets[frame.ErrCode]++
		if stream := s.streams[frame.StreamID]; stream != nil {
			stream.reset = new(frame.ErrCode)
		}
	case *http2.GoAwayFrame:
		s.goAway = new(frame.ErrCode)
	case *http2.MetaHeadersFrame:
		if stream := s.streams[frame.StreamID]; stream != nil {
			stream.header(frame)
		}
	case *http2.DataFrame:
		if stream := s.streams[frame.StreamID]; stream != nil {
			stream.ended = stream.ended || frame.StreamEnded()
		}
	}
}

func (s *seen) setting(frame *http2.SettingsFrame) {
	if frame.IsAck() {
		s.acked++
		return
	}
	if s.settings == nil {
		s.settings = make(map[http2.SettingID]uint32)
	}
	_ = frame.ForeachSetting(func(setting http2.Setting) error {
		s.settings[setting.ID] = setting.Val
		return nil
	})
}

func (s *Stream) header(frame *http2.MetaHeadersFrame) {
	if s.fields == nil {
		s.fields = map[string]string{}
	}
	for _, field := range frame.Fields {
		s.fields[field.Name] = field.Value
	}
	s.ended = s.ended || frame.StreamEnded()
}
