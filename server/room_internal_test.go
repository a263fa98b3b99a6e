package server

import "testing"

// enterAs enters the room for somebody; gave tells whether the place was given up.
func enterAs(t *testing.T, r *room, whose ...any) (place *stay, gave *bool) {
	t.Helper()
	gave = new(bool)
	return r.enter(10, func() { *gave = true }, whose...), gave
}

// TestRoom: whoever holds much is refused before those who hold little, and who holds
// nothing never is.
func TestRoom(t *testing.T) {
	t.Parallel()
	r := newRoom(100)
	var crowd []*stay
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
	second, gave := enterAs(t, r, "b")
	if second == nil || *gave {
		t.Fatal("another one is refused")
	}
	second.Leave()
	second.Leave()
	if streams, refused := r.streams(), r.refusals(); streams != 5 || refused != 1 || r.held != 50 {
		t.Errorf("%d streams, %d refused, %d bytes", streams, refused, r.held)
	}
	for _, place := range crowd {
		place.Leave()
	}
	if streams := r.streams(); streams != 0 || r.held != 0 || len(r.of) != 0 {
		t.Errorf("%d streams, %d bytes of %v are left", streams, r.held, r.of)
	}
}

// TestRoomOfTenant: the connections of a tenant share what the tenant has, and leave
// each other a place.
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
	if place, gave := enterAs(t, r, "b1", "b"); place == nil || *gave {
		t.Error("another tenant is refused")
	}
}

// TestRoomGivesWay: when all places are taken by others, the oldest is given up.
func TestRoomGivesWay(t *testing.T) {
	t.Parallel()
	r := newRoom(30)
	oldest, gaveFirst := enterAs(t, r, 1)
	_, gaveSecond := enterAs(t, r, 2)
	_, _ = enterAs(t, r, 3)
	if place, _ := enterAs(t, r, 4); place == nil || !*gaveFirst || *gaveSecond {
		t.Errorf("place %v; given up: %v, %v", place, *gaveFirst, *gaveSecond)
	}
	oldest.Leave()
	if place, _ := enterAs(t, r, 4); place != nil || *gaveSecond {
		t.Error("who holds a place has got another one, as all are taken")
	}
}
