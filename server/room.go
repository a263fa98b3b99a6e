package server

import (
	"container/list"
	"sync"
)

// room limits the memory of streams that have not proved useful yet: anybody can open
// such a stream and leave it open. A stream is refused if the total, plus what its tenant
// and its connection hold, would exceed the limit, so heavy users are refused first. A
// room is safe for concurrent use.
type room struct {
	limitBytes int

	mu        sync.Mutex
	heldBytes int
	heldBy    map[any]int // bytes, by owner: a tenant or a connection
	places    list.List   // of *place, the oldest first
	refused   int64       // streams
}

// place is a stream's place in a room. It implements upload.Place.
type place struct {
	room    *room
	owners  []any
	bytes   int
	evict   func()
	element *list.Element // nil: the stream has left
}

func newRoom(limitBytes int64) *room {
	return &room{limitBytes: int(limitBytes), heldBy: map[any]int{}}
}

// enter returns a place for a stream, or nil if the stream is refused. If the owners hold
// nothing in the room, enter evicts the oldest streams until there is a place. It calls
// their evict, which must not block.
func (r *room) enter(bytes int, evict func(), owners ...any) *place {
	r.mu.Lock()
	defer r.mu.Unlock()
	ownBytes := 0
	for _, owner := range owners {
		ownBytes += r.heldBy[owner]
	}
	if bytes > r.limitBytes { // even if all others left
		r.refused++
		return nil
	}
	for r.heldBytes+ownBytes+bytes > r.limitBytes {
		front := r.places.Front()
		if ownBytes > 0 || front == nil {
			r.refused++
			return nil
		}
		oldest, _ := front.Value.(*place)
		r.remove(oldest)
		oldest.evict()
	}
	p := &place{room: r, owners: owners, bytes: bytes, evict: evict}
	p.element = r.places.PushBack(p)
	r.heldBytes += bytes
	for _, owner := range owners {
		r.heldBy[owner] += bytes
	}
	return p
}

// Leave gives the place back. Leaving again does nothing.
func (p *place) Leave() {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	p.room.remove(p)
}

// remove must be called with mu held.
func (r *room) remove(p *place) {
	if p.element == nil {
		return
	}
	r.places.Remove(p.element)
	p.element = nil
	r.heldBytes -= p.bytes
	for _, owner := range p.owners {
		if r.heldBy[owner] -= p.bytes; r.heldBy[owner] == 0 {
			delete(r.heldBy, owner)
		}
	}
}

// streams returns the number of streams in the room.
func (r *room) streams() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.places.Len()
}

// refusals returns the number of streams that were refused.
func (r *room) refusals() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}
