package server

import (
	"container/list"
	"sync"
)

// room bounds what streams hold together that have not yet shown what they are worth:
// anybody can open those, and leave them. A stream finds no place in it when what all
// hold, what its tenant holds and what its connection holds come to more than there is.
// So whoever holds much is refused while there is still a place for others. It is safe
// for concurrent use.
type room struct {
	bytes int

	mu      sync.Mutex
	held    int
	of      map[any]int // by tenant, and by connection
	stays   list.List   // of *stay, the oldest first
	refused int64
}

// stay is the place of a stream in a room.
type stay struct {
	room    *room
	whose   []any
	bytes   int
	give    func()
	element *list.Element // nil: it is over
}

func newRoom(bytes int64) *room { return &room{bytes: int(bytes), of: map[any]int{}} }

// enter returns a place for a stream, or nil. Who holds nothing in the room always
// finds one: the streams that are longest there give theirs up, and are told so by
// their give, which must not wait.
func (r *room) enter(bytes int, give func(), whose ...any) *stay {
	r.mu.Lock()
	defer r.mu.Unlock()
	theirs := 0
	for _, who := range whose {
		theirs += r.of[who]
	}
	for r.held+theirs+bytes > r.bytes {
		oldest := r.stays.Front()
		if theirs > 0 || oldest == nil {
			r.refused++
			return nil
		}
		s, _ := oldest.Value.(*stay)
		r.end(s)
		s.give()
	}
	s := &stay{room: r, whose: whose, bytes: bytes, give: give}
	s.element = r.stays.PushBack(s)
	r.held += bytes
	for _, who := range whose {
		r.of[who] += bytes
	}
	return s
}

// Leave gives the place back. Leaving again does nothing.
func (s *stay) Leave() {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.room.end(s)
}

// end must be called with mu held.
func (r *room) end(s *stay) {
	if s.element == nil {
		return
	}
	r.stays.Remove(s.element)
	s.element = nil
	r.held -= s.bytes
	for _, who := range s.whose {
		if r.of[who] -= s.bytes; r.of[who] == 0 {
			delete(r.of, who)
		}
	}
}

// streams returns how many streams are in the room.
func (r *room) streams() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stays.Len()
}

// refusals returns how many streams have found no place so far.
func (r *room) refusals() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}
