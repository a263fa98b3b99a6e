package client

import (
	"slices"
	"time"
)

// upkeepBytes is the memory that a held message takes in addition to its bytes.
const upkeepBytes = 64

type heldMessage struct {
	wire  wireRequest
	added time.Time
	// ordinal is how many messages were pushed before this one.
	ordinal int64
}

// held is the queue of messages that are not yet accepted, oldest first.
type held struct {
	messages []heldMessage
	// wireBytes is the size of the messages without their upkeep.
	wireBytes   int
	pushedCount int64
}

func (h *held) push(wire wireRequest, now time.Time) {
	h.messages = append(h.messages, heldMessage{wire: wire, added: now, ordinal: h.pushedCount})
	h.wireBytes += len(wire)
	h.pushedCount++
}

// oldest returns the ordinal of the oldest message, or of the next one to be pushed if
// the queue is empty.
func (h *held) oldest() int64 {
	if len(h.messages) == 0 {
		return h.pushedCount
	}
	return h.messages[0].ordinal
}

// remove removes the messages i to j-1 and returns the memory that they took.
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

// cutting says when to cut a stream from a queue, and how large.
type cutting struct {
	thresholdBytes int
	thresholdAge   time.Duration
	// urgent means that the thresholds do not apply.
	urgent bool
	// holdBack means that the newest message is kept for the final batch.
	holdBack bool
}

// cut returns how many of the oldest messages are the next stream. If there is none yet,
// it returns 0 and how long to wait for the threshold age, or 0 to wait for a message.
func (h *held) cut(c cutting, now time.Time) (count int, wait time.Duration) {
	free, freeBytes := len(h.messages), h.wireBytes
	if c.holdBack && free > 0 {
		free--
		freeBytes -= len(h.messages[free].wire)
	}
	if free == 0 {
		return 0, 0
	}
	if !c.urgent && freeBytes < c.thresholdBytes {
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
