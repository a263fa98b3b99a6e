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

// AdditionalConfig configures intakes that also get each batch that the main intake has
// accepted. Delivery to them is best effort and never affects clients. They get no
// batches of tenants that have their own intake.
type AdditionalConfig struct {
	// Intakes lists them.
	Intakes []AdditionalIntake
	// QueueBytes limits the compressed bytes queued for each of them. A batch that
	// does not fit is dropped.
	QueueBytes int64
	// MaxAge limits how long a batch is queued and retried before it is dropped.
	MaxAge time.Duration
	// DrainTime limits how long Shutdown waits for queued batches. It also stops waiting
	// when its ctx ends, so queued batches are dropped at once if uploads took all of that
	// time.
	DrainTime time.Duration
}

// AdditionalIntake is one more intake.
type AdditionalIntake struct {
	// URL has the form of [IntakeConfig.URL].
	URL string
	// APIKey is sent as DD-API-KEY. Zero: the header is not sent.
	APIKey Secret
}

func defaultAdditional() AdditionalConfig {
	return AdditionalConfig{QueueBytes: 16 << 20, MaxAge: time.Minute, DrainTime: 5 * time.Second}
}

// maxAdditionalPercent limits all additional queues together, in percent of the memory
// limit.
const maxAdditionalPercent = 25

// minQueueBytes is the smallest queue an additional intake may have.
const minQueueBytes = 1 << 20

func (c AdditionalConfig) validate(memoryBytes int64) error {
	for i, to := range c.Intakes {
		if err := intake.CheckURL(to.URL); err != nil {
			return refusedSecret("AdditionalIntakes.Intakes",
				fmt.Sprintf("has an invalid URL: number %d %v", i+1, err))
		}
		if containsControl(to.APIKey.Reveal()) {
			return refusedSecret("AdditionalIntakes.Intakes",
				fmt.Sprintf("has an invalid API key: number %d %s", i+1, hasControl))
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
			"for each intake adds up to more than a quarter of the memory limit of "+text.Bytes(memoryBytes))
	case c.MaxAge < 0:
		return refused("AdditionalIntakes.MaxAge", c.MaxAge, isNegative)
	case given && c.MaxAge == 0:
		return refused("AdditionalIntakes.MaxAge", c.MaxAge, isNotPositive)
	case c.DrainTime < 0:
		return refused("AdditionalIntakes.DrainTime", c.DrainTime, isNegative)
	}
	return nil
}

// additional sends batches to the additional intakes.
type additional struct {
	mirror  *mirror.Mirror
	account *memory.Account
	clients []*intake.Client
}

// openAdditional sets up the additional intakes, if there are any.
func (s *Server) openAdditional() error {
	cfg := s.config.AdditionalIntakes
	if len(cfg.Intakes) == 0 {
		return nil
	}
	s.metrics.registerAdditional(len(cfg.Intakes))
	a := &additional{}
	intakes := make([]mirror.Intake, len(cfg.Intakes))
	for i, to := range cfg.Intakes {
		base := s.config.Intake.client(s.version)
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
			s.logger.Warn("API key of an additional intake is sent unencrypted: its URL is not https",
				slog.Int("intake", i+1))
		}
		a.clients = append(a.clients, client)
		intakes[i] = mirror.Intake{Client: client, Count: s.countAdditional(i + 1)}
	}
	s.budget.Draw(len(intakes) * mirror.Workers * intake.ConnectionBytes)
	a.account = s.budget.Open(0, func(o memory.Order) {
		switch {
		case o != memory.Squeeze:
		case s.spool != nil:
			a.mirror.Squeeze(s.spool)
		default:
			a.mirror.Squeeze(nil)
		}
	})
	a.account.Stuck(true) // batches being posted stay in memory, and nobody waits for them
	a.mirror = mirror.New(mirror.Config{QueueBytes: cfg.QueueBytes, MaxAge: cfg.MaxAge}, a.account, intakes)
	s.additional = a
	return nil
}

// countAdditional returns a function that counts each batch offered to an intake, and
// logs some of those it did not accept.
func (s *Server) countAdditional(number int) func(mirror.Outcome, error) {
	limitedLog := logs.NewLimiter(s.logger)
	return func(outcome mirror.Outcome, err error) {
		s.metrics.additional.WithLabelValues(strconv.Itoa(number), outcome.String()).Inc()
		if outcome == mirror.Accepted {
			return
		}
		limitedLog.Warn("batch not accepted by an additional intake",
			slog.Int("intake", number), slog.String("error", err.Error()))
	}
}

// offer takes ownership of a batch that the intake has accepted. It queues the batch for
// the additional intakes, or releases it if they do not get it.
func (s *Server) offer(from *access.Grant, b *batch.Batch) {
	if s.additional == nil || from.Route != s.routes.Own {
		b.File.Release()
		return
	}
	s.additional.mirror.Offer(from.Caller(), b)
}

// closeAdditional waits for queued batches until DrainTime has passed or Shutdown's ctx
// ends.
func (s *Server) closeAdditional(ctx context.Context) {
	if s.additional == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.AdditionalIntakes.DrainTime)
	defer cancel()
	s.additional.mirror.Close(ctx)
	s.additional.account.Close()
}
