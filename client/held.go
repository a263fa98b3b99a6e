package client

import (
	"slices"
	"time"
)

// upkeepBytes is what a held message takes beside its bytes, rounded up.
const upkeepBytes = 64

// heldMessage is a message that is not yet accepted.
type heldMessage struct {
	wire  wireRequest
	added time.Time
	// ordinal counts the messages of the queue from its beginning.
	ordinal int64
}

// held is the queue of messages that are not yet accepted, oldest first. It knows
// no clock and does no I/O.
type held struct {
	messages []heldMessage
	// wireBytes is the sum of the messages without their upkeep.
	wireBytes int
	// pushedCount is how many messages the queue has ever had.
	pushedCount int64
}

func (h *held) push(wire wireRequest, now time.Time) {
	h.messages = append(h.messages, heldMessage{wire: wire, added: now, ordinal: h.pushedCount})
	h.wireBytes += len(wire)
	h.pushedCount++
}

// oldest returns the ordinal of the oldest message, or that of the next one where
// there is none.
func (h *held) oldest() int64 {
	if len(h.messages) == 0 {
		return h.pushedCount
	}
	return h.messages[0].ordinal
}

// remove takes the messages from i to before j out, and returns what they took.
func (h *held) remove(i, j int) (freedBytes int) {
	for _, m := range h.messages[i:j] {
		h.wireBytes -= len(m.wire)
		freedBytes += len(m.wire) + upkeepBytes
	}
	h.messages = slices.Delete(h.messages, i, j)
	if len(h.messages) == 0 {
		h.messages = nil
	}
	return freedBytes
}

// cutting says what is to be cut from a queue, and when.
type cutting struct {
	thresholdBytes int
	thresholdAge   time.Duration
	// urgent cuts what there is, however little.
	urgent bool
	// closing cuts the newest message too.
	closing bool
}

// cut returns how many of the oldest messages make up the next stream, or 0 and
// how long to wait for the oldest one to come of age; 0 where only a new message
// can change it.
func (h *held) cut(c cutting, now time.Time) (count int, wait time.Duration) {
	free, freeBytes := len(h.messages), h.wireBytes
	if !c.closing && free > 0 {
		free--
		freeBytes -= len(h.messages[free].wire)
	}
	if free == 0 {
		return 0, 0
	}
	if !c.closing && !c.urgent && freeBytes < c.thresholdBytes {
		if wait := c.thresholdAge - now.Sub(h.messages[0].added); wait > 0 {
			return 0, wait
		}
	}
	streamBytes := 0
	for count < free {
		streamBytes += len(h.messages[count].wire)
		if count > 0 && streamBytes > c.thresholdBytes {
			break
		}
		count++
	}
	return count, 0
}
