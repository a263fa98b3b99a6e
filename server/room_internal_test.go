package server

import "testing"

// enterAs enters the room for owners; evicted reports whether the place was taken away.
func enterAs(t *testing.T, r *room, owners ...any) (entered *place, evicted *bool) {
	t.Helper()
	evicted = new(bool)
	return r.enter(10, func() { *evicted = true }, owners...), evicted
}

// TestRoom: heavy users are refused before light ones, and an owner that holds nothing is
// never refused.
func TestRoom(t *testing.T) {
	t.Parallel()
	r := newRoom(100)
	var crowd []*place
	for {
		place, _ := enterAs(t, r, "a")
		if place == nil {
			break
		}
		crowd = append(crowd, place)
	}
	if len(crowd) != 5 {
		t.Errorf("one alone has %d of 10 places, want half", len(crowd))
	}
	second, evicted := enterAs(t, r, "b")
	if second == nil || *evicted {
		t.Fatal("another one is refused")
	}
	second.Leave()
	second.Leave()
	if streams, refused := r.streams(), r.refusals(); streams != 5 || refused != 1 || r.heldBytes != 50 {
		t.Errorf("%d streams, %d refused, %d bytes", streams, refused, r.heldBytes)
	}
	for _, place := range crowd {
		place.Leave()
	}
	if streams := r.streams(); streams != 0 || r.heldBytes != 0 || len(r.heldBy) != 0 {
		t.Errorf("%d streams, %d bytes of %v are left", streams, r.heldBytes, r.heldBy)
	}
}

// TestRoomOfTenant: the connections of a tenant share the tenant's places, and none takes
// all of them.
func TestRoomOfTenant(t *testing.T) {
	t.Parallel()
	r := newRoom(300)
	held := map[string]int{}
	for _, connection := range []string{"a1", "a2", "a3"} {
		for {
			place, _ := enterAs(t, r, connection, "a")
			if place == nil {
				break
			}
			held[connection]++
		}
	}
	if held["a1"] != 10 || held["a2"] == 0 || held["a3"] == 0 {
		t.Errorf("of 30 places they have %v", held)
	}
	if place, evicted := enterAs(t, r, "b1", "b"); place == nil || *evicted {
		t.Error("another tenant is refused")
	}
}

// TestRoomEvicts: when others have all places, the oldest stream is evicted.
func TestRoomEvicts(t *testing.T) {
	t.Parallel()
	r := newRoom(30)
	oldest, firstEvicted := enterAs(t, r, 1)
	_, secondEvicted := enterAs(t, r, 2)
	_, _ = enterAs(t, r, 3)
	if place, _ := enterAs(t, r, 4); place == nil || !*firstEvicted || *secondEvicted {
		t.Errorf("place %v; evicted: %v, %v", place, *firstEvicted, *secondEvicted)
	}
	oldest.Leave()
	if place, _ := enterAs(t, r, 4); place != nil || *secondEvicted {
		t.Error("an owner of a place has got another one, although all are taken")
	}
}

// TestRoomTooSmall: a stream larger than the room evicts nobody in vain.
func TestRoomTooSmall(t *testing.T) {
	t.Parallel()
	r := newRoom(30)
	_, evicted := enterAs(t, r, 1)
	if place := r.enter(31, func() {}, 2); place != nil || *evicted || r.refusals() != 1 {
		t.Errorf("place %v; evicted: %v; %d refused", place, *evicted, r.refusals())
	}
}
