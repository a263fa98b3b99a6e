package main

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// limitFlags bound what the server holds for its clients.
//
//nolint:lll // a struct tag can't be broken
type limitFlags struct {
	MemoryLimit          settings.Size `field:"Limits.MemoryBytes" group:"Limits" default:"0" placeholder:"SIZE" env:"SCOPEGATE_MEMORY_LIMIT" help:"Memory that the server aims to stay below, beside about 20 MB for the program's file; at least 32MiB. 0: GOMEMLIMIT, else nine tenths of the cgroup's limit, else 512MiB."`
	SpoolDir             string        `field:"Limits.SpoolDir" group:"Limits" placeholder:"PATH" env:"SCOPEGATE_SPOOL_DIR" help:"Directory for batches that do not fit into memory, in a file without a name. By default such batches are forwarded before they are full."`
	SpoolBytes           settings.Size `field:"Limits.SpoolBytes" group:"Limits" placeholder:"SIZE" env:"SCOPEGATE_SPOOL_BYTES" help:"Maximum size of the spool."`
	MaxUploads           int           `field:"Limits.Uploads" group:"Limits" placeholder:"N" env:"SCOPEGATE_MAX_UPLOADS" help:"Maximum uploads in flight; more are asked to retry later. 0: as many as memory has room for."`
	MaxServiceUploads    int           `field:"Limits.ServiceUploads" group:"Limits" placeholder:"N" env:"SCOPEGATE_MAX_SERVICE_UPLOADS" help:"Maximum uploads in flight of one service. 0: any number."`
	MaxServiceBytes      settings.Size `field:"Limits.ServiceBytes" group:"Limits" placeholder:"SIZE" env:"SCOPEGATE_MAX_SERVICE_BYTES" help:"Maximum memory for one service's uploads. 0: no fixed maximum. Whatever it is, a service waits while it holds eight times the free memory."`
	MaxConnections       int           `field:"Limits.Connections" group:"Limits" placeholder:"N" env:"SCOPEGATE_MAX_CONNECTIONS" help:"Maximum open connections. A new one replaces the one that has been without an upload for longest."`
	MaxPeerConnections   int           `field:"Limits.PeerConnections" group:"Limits" placeholder:"N" env:"SCOPEGATE_MAX_PEER_CONNECTIONS" help:"Maximum open connections of one IPv4 address or one IPv6 /64 network. Behind a proxy, set it to --max-connections. 0: half of that."`
	MaxConnectionStreams int           `field:"Limits.StreamsPerConnection" group:"Limits" placeholder:"N" env:"SCOPEGATE_MAX_CONNECTION_STREAMS" help:"Maximum open streams of one connection; more wait in the client."`
	FirstMessageTimeout  time.Duration `field:"Limits.FirstMessageTimeout" group:"Limits" placeholder:"DURATION" env:"SCOPEGATE_FIRST_MESSAGE_TIMEOUT" help:"How long a stream may stay open without sending a message."`
	IdleTimeout          time.Duration `field:"Limits.IdleTimeout" group:"Limits" placeholder:"DURATION" env:"SCOPEGATE_IDLE_TIMEOUT" help:"How long to wait for a client that sends less than --min-rate. Then its upload ends; the client can resume it. 0: forever."`
	MinRate              settings.Size `field:"Limits.MinBytesPerSecond" group:"Limits" placeholder:"SIZE" env:"SCOPEGATE_MIN_RATE" help:"Bytes a second that a client must send, on average over the idle timeout. 0: any rate."`
	StreamWindow         settings.Size `field:"Transport.StreamWindowBytes" group:"Limits" placeholder:"SIZE" env:"SCOPEGATE_STREAM_WINDOW" help:"HTTP/2 receive window of a stream, at least 64KiB."`
	ConnectionWindow     settings.Size `field:"Transport.ConnectionWindowBytes" group:"Limits" placeholder:"SIZE" env:"SCOPEGATE_CONNECTION_WINDOW" help:"HTTP/2 receive window of a connection, at least 64KiB."`
	MaxHeaderList        settings.Size `field:"Transport.MaxHeaderListBytes" group:"Limits" placeholder:"SIZE" env:"SCOPEGATE_MAX_HEADER_LIST" help:"Maximum size of a request's headers."`
	MinPingInterval      time.Duration `field:"Transport.MinPingInterval" group:"Limits" placeholder:"DURATION" env:"SCOPEGATE_MIN_PING_INTERVAL" help:"Minimum time between a client's keepalive pings. Clients that ping more often are disconnected."`
}

// defaultMemoryLimit is the limit if none is given or found.
const defaultMemoryLimit settings.Size = 512 << 20

// cgroupShare is the part of the cgroup's limit that the server uses. The kernel counts
// more memory than the Go runtime does.
const cgroupShare = 0.9

// findMemoryLimit finds the memory limit if none is given, and records it in the limit's
// setting. The runtime gets the same limit unless GOMEMLIMIT is set, and its collector is
// paced unless GOGC is.
func (f *limitFlags) findMemoryLimit(ctx context.Context, getenv func(string) string, s *settings.Setting, logger *slog.Logger) {
	runtimeLimit := debug.SetMemoryLimit(-1)
	if f.MemoryLimit == 0 {
		f.MemoryLimit = defaultMemoryLimit
		source := settings.FromDefault
		if runtimeLimit != math.MaxInt64 {
			f.MemoryLimit, source = settings.Size(runtimeLimit), "GOMEMLIMIT"
		} else if limit, err := memlimit.ApplyRatio(memlimit.FromCgroup, cgroupShare)(); err == nil && limit < math.MaxInt64 {
			f.MemoryLimit, source = settings.Size(limit), "cgroup"
		} else if err != nil && !errors.Is(err, memlimit.ErrNoCgroup) && !errors.Is(err, memlimit.ErrNoLimit) &&
			!errors.Is(err, memlimit.ErrCgroupsNotSupported) {
			logger.WarnContext(ctx, "can't read the cgroup's memory limit", "error", err.Error())
		}
		s.Found(f.MemoryLimit.String(), source)
	}
	if runtimeLimit == math.MaxInt64 {
		debug.SetMemoryLimit(int64(f.MemoryLimit))
	}
	if getenv("GOGC") == "" {
		paceCollector()
	}
	logger.InfoContext(ctx, "memory limit", "limit", s.Value, "chosen_by", s.ChosenBy())
}

// keptDescriptors is how many open files are kept for everything except clients'
// connections: intakes, the admin port, the spool, the log, files that are reloaded.
const keptDescriptors = 512

// limitConnections lowers the limit of connections if the process may not open as many
// files, and records it in the limit's setting.
func (f *limitFlags) limitConnections(ctx context.Context, files uint64, s *settings.Setting, logger *slog.Logger) {
	most := max(files/2, files-min(files, keptDescriptors))
	if f.MaxConnections <= 0 || uint64(f.MaxConnections) <= most {
		return
	}
	logger.WarnContext(ctx, "--max-connections lowered to fit the limit of open files (ulimit -n)",
		"max_connections", most, "asked_for", f.MaxConnections, "files", files)
	f.MaxConnections = int(most)
	s.Found(strconv.Itoa(f.MaxConnections), "RLIMIT_NOFILE")
}
