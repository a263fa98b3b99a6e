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
	// marks are of the slice that is appended to, Marked of all that was taken.
	marks  []uint64
	marked []int
}

// Marks implements [transcode.Sink].
func (r *Recorder) Marks() []uint64 { return r.marks }

// Marked returns the marked positions in what Append returned, in ascending order.
func (r *Recorder) Marked() []int { return r.marked }

// take takes what is written, with its marks. A mark at its end belongs to what follows.
func (r *Recorder) take(json []byte) {
	for i := range len(json) + 1 {
		if r.marks[i/64]>>(i%64)&1 == 1 {
			r.marked = append(r.marked, r.taken.Len()+i)
		}
	}
	r.taken.Write(json)
	r.marks = nil
}

// Drain implements [transcode.Sink].
func (r *Recorder) Drain(json []byte) []byte {
	grow, extra := false, 0
	if r.Policy != nil {
		grow, extra = r.Policy()
	}
	if grow {
		larger := append(make([]byte, 0, len(json)+transcode.Room+extra), json...)
		r.marks = append(r.marks, marksFor(larger)[len(r.marks):]...)
		return larger
	}
	r.take(json)
	// What was taken may be overwritten.
	for i := range json {
		json[i] = '!'
	}
	next := make([]byte, 0, transcode.Room+extra)
	r.marks = marksFor(next)
	return next
}

// Append writes a scope and returns its JSON. It panics where the transcoder
// appends beyond the room that it was given.
func (r *Recorder) Append(scope transcode.Checked, dst []byte) []byte {
	r.taken.Reset()
	r.marks, r.marked = marksFor(dst), nil
	guard := &guard{sink: r, last: dst}
	rest := scope.AppendTo(dst, guard)
	guard.same(rest)
	r.take(rest)
	return bytes.Clone(r.taken.Bytes())
}

// marksFor returns an empty set for the capacity of json, and its end.
func marksFor(json []byte) []uint64 { return make([]uint64, cap(json)/64+1) }

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

func (g *guard) Marks() []uint64 { return g.sink.Marks() }

func (g *guard) same(json []byte) {
	if cap(json) != cap(g.last) || cap(json) > 0 && &json[:1][0] != &g.last[:1][0] {
		panic("appended beyond the room that there was")
	}
}
