package server

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/mirror"
	"github.com/scopegate/scopegate/server/internal/text"
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
	// DrainTime bounds how long Shutdown waits for what is left.
	DrainTime time.Duration
}

// AdditionalIntake is one more intake.
type AdditionalIntake struct {
	// URL is as that of [IntakeConfig].
	URL string
	// APIKey is sent to it as DD-API-KEY. Zero: none is.
	APIKey Secret
}

func defaultAdditional() AdditionalConfig {
	return AdditionalConfig{QueueBytes: 16 << 20, MaxAge: time.Minute, DrainTime: 5 * time.Second}
}

// maxAdditionalPercent is how much of the memory limit may wait for all additional
// intakes together.
const maxAdditionalPercent = 25

// minQueueBytes is the least that an additional intake's queue may hold.
const minQueueBytes = 1 << 20

func (c AdditionalConfig) validate(memoryBytes int64) error {
	for i, to := range c.Intakes {
		if err := intake.CheckURL(to.URL); err != nil {
			return refusedSecret("AdditionalIntakes.Intakes", fmt.Sprintf("has a URL, number %d, that %v", i+1, err))
		}
		if containsControl(to.APIKey.Reveal()) {
			return refusedSecret("AdditionalIntakes.Intakes", fmt.Sprintf("has an API key, number %d, that %s", i+1, hasControl))
		}
	}
	given := len(c.Intakes) > 0
	switch {
	case c.QueueBytes < 0:
		return refused("AdditionalIntakes.QueueBytes", c.QueueBytes, isNegative)
	case given && c.QueueBytes < minQueueBytes:
		return refused("AdditionalIntakes.QueueBytes", c.QueueBytes, "is below "+text.Bytes(minQueueBytes))
	case given && c.QueueBytes > memoryBytes/100*maxAdditionalPercent/int64(len(c.Intakes)):
		return refused("AdditionalIntakes.QueueBytes", c.QueueBytes,
			"is, for all intakes together, more than a quarter of the memory limit of "+text.Bytes(memoryBytes))
	case c.MaxAge < 0:
		return refused("AdditionalIntakes.MaxAge", c.MaxAge, isNegative)
	case given && c.MaxAge == 0:
		return refused("AdditionalIntakes.MaxAge", c.MaxAge, isNotPositive)
	case c.DrainTime < 0:
		return refused("AdditionalIntakes.DrainTime", c.DrainTime, isNegative)
	}
	return nil
}

// additional takes batches to the additional intakes.
type additional struct {
	mirror  *mirror.Mirror
	account *memory.Account
	clients []*intake.Client
}

// openAdditional sets up the way to the additional intakes, if there are any.
func (s *Server) openAdditional() error {
	cfg := s.config.AdditionalIntakes
	if len(cfg.Intakes) == 0 {
		return nil
	}
	s.metrics.countAdditional(len(cfg.Intakes))
	a := &additional{}
	intakes := make([]mirror.Intake, len(cfg.Intakes))
	for i, to := range cfg.Intakes {
		base := s.config.Intake.client()
		base.URL, base.APIKey = to.URL, to.APIKey
		base.MaxConnections, base.BatchDeadline = mirror.Workers, 0
		var client *intake.Client
		var err error
		client, err = intake.New(base, intake.OnOutage(func(o intake.Outage) {
			s.logOutage(o, append(addressOf(client), slog.Int("additional", i+1))...)
		}))
		if err != nil {
			return fmt.Errorf("additional intake %d: %w", i+1, err)
		}
		if intake.ExposesKey(to.URL, to.APIKey) {
			s.logger.Warn("the API key of an additional intake travels unencrypted, because its URL is not https",
				slog.Int("intake", i+1))
		}
		a.clients = append(a.clients, client)
		intakes[i] = mirror.Intake{Client: client, Count: s.countAdditional(i + 1)}
	}
	s.budget.Draw(len(intakes) * mirror.Workers * access.ConnectionBytes)
	a.account = s.budget.Open(0, func(o memory.Order) {
		switch {
		case o != memory.Squeeze:
		case s.spool != nil:
			a.mirror.Squeeze(s.spool)
		default:
			a.mirror.Squeeze(nil)
		}
	})
	a.account.Stuck(true) // what is on its way stays, and nobody shall wait for it
	a.mirror = mirror.New(mirror.Config{QueueBytes: cfg.QueueBytes, MaxAge: cfg.MaxAge}, a.account, intakes)
	s.additional = a
	return nil
}

// countAdditional returns what counts, and sometimes logs, what becomes of batches
// at the intake of that number.
func (s *Server) countAdditional(number int) func(mirror.Outcome, error) {
	limitedLog := logs.NewLimiter(s.logger)
	return func(outcome mirror.Outcome, err error) {
		s.metrics.additional.WithLabelValues(strconv.Itoa(number), outcome.String()).Inc()
		if outcome == mirror.Accepted {
			return
		}
		limitedLog.Warn("additional intake has no batch",
			slog.Int("intake", number), slog.String("error", err.Error()))
	}
}

// offer takes over a batch that the intake has accepted. It goes to the additional intakes
// if it is theirs too, or else is released.
func (s *Server) offer(from *access.Grant, b *batch.Batch) {
	if s.additional == nil || from.Route != s.routes.Own {
		b.File.Release()
		return
	}
	s.additional.mirror.Offer(from.Sender(), b)
}

// closeAdditional waits a while for what is still to go to the additional intakes.
func (s *Server) closeAdditional(ctx context.Context) {
	if s.additional == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.AdditionalIntakes.DrainTime)
	defer cancel()
	s.additional.mirror.Close(ctx)
	s.additional.account.Close()
}
