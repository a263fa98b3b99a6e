package transcodetest

import (
	"bytes"

	"github.com/scopegate/scopegate/server/internal/transcode" //nolint:depguard // what is tested
)

// Recorder is a [transcode.Sink] that keeps all that is written. How it makes
// room is up to Policy; the zero value gives just the room that it must.
type Recorder struct {
	// Policy returns what to do at each drain: whether to go on in a larger
	// buffer, and how much room to leave beyond what is demanded.
	Policy func() (grow bool, extra int)

	taken bytes.Buffer
}

// Drain implements [transcode.Sink].
func (r *Recorder) Drain(json []byte) []byte {
	grow, extra := false, 0
	if r.Policy != nil {
		grow, extra = r.Policy()
	}
	if grow {
		return append(make([]byte, 0, len(json)+transcode.Room+extra), json...)
	}
	r.taken.Write(json)
	// What was taken may be overwritten.
	for i := range json {
		json[i] = '!'
	}
	return make([]byte, 0, transcode.Room+extra)
}

// Append writes a scope and returns its JSON. It panics where the transcoder
// appends beyond the room that it was given.
func (r *Recorder) Append(scope transcode.Checked, dst []byte) []byte {
	r.taken.Reset()
	guard := &guard{sink: r, last: dst}
	rest := scope.AppendTo(dst, guard)
	guard.same(rest)
	r.taken.Write(rest)
	return bytes.Clone(r.taken.Bytes())
}

// guard looks whether the transcoder kept to the slices that it got.
type guard struct {
	sink transcode.Sink
	last []byte
}

func (g *guard) Drain(json []byte) []byte {
	g.same(json)
	g.last = g.sink.Drain(json)
	return g.last
}

func (g *guard) same(json []byte) {
	if cap(json) != cap(g.last) || cap(json) > 0 && &json[:1][0] != &g.last[:1][0] {
		panic("appended beyond the room that there was")
	}
}
