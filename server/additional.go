package server

import (
	"errors"
	"fmt"
	"time"
)

// AdditionalConfig is about intakes that get, beside the intake, each batch that
// this one has accepted: as well as it can be done, without any effect on clients.
// Batches of tenants with an intake of their own stay away from them.
type AdditionalConfig struct {
	// Intakes are those intakes.
	Intakes []AdditionalIntake
	// QueueBytes bounds what waits for each of them, in compressed bytes. A batch
	// that finds no room is dropped.
	QueueBytes int64
	// MaxAge is how long a batch may wait, and be tried, until it is dropped.
	MaxAge time.Duration
}

// AdditionalIntake is one more intake.
type AdditionalIntake struct {
	// URL is as that of [IntakeConfig].
	URL string
	// APIKey is sent to it as DD-API-KEY. Zero: none is.
	APIKey Secret
}

func defaultAdditional() AdditionalConfig {
	return AdditionalConfig{QueueBytes: 16 << 20, MaxAge: time.Minute}
}

func (c AdditionalConfig) validate() error {
	for _, to := range c.Intakes {
		if to.URL == "" {
			return errors.New("an additional intake has no URL")
		}
	}
	switch {
	case len(c.Intakes) == 0:
	case c.QueueBytes < 1<<20:
		return fmt.Errorf("queue of additional intakes %d is below 1 MiB", c.QueueBytes)
	case c.MaxAge <= 0:
		return fmt.Errorf("max age of additional batches %v is not positive", c.MaxAge)
	}
	return nil
}
