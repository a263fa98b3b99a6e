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

// limitFlags bound what clients can have the server hold.
//
//nolint:lll // a struct tag can't be broken
type limitFlags struct {
	MemoryLimit          settings.Size `field:"Limits.MemoryBytes" group:"Limits" default:"0" placeholder:"SIZE" env:"SCOPEGATE_MEMORY_LIMIT" help:"Memory of the whole server. 0: GOMEMLIMIT, or nine tenths of the cgroup's limit, or 512MiB."`
	SpoolDir             string        `field:"Limits.SpoolDir" group:"Limits" placeholder:"PATH" env:"SCOPEGATE_SPOOL_DIR" help:"Directory for batches that memory has no room for. They are never seen in it, and are gone with the process. By default such batches are forwarded before they are full."`
	SpoolBytes           settings.Size `field:"Limits.SpoolBytes" group:"Limits" placeholder:"SIZE" env:"SCOPEGATE_SPOOL_BYTES" help:"Most that is kept in the spool directory."`
	MaxUploads           int           `field:"Limits.Uploads" group:"Limits" placeholder:"N" env:"SCOPEGATE_MAX_UPLOADS" help:"Uploads in flight; further ones are asked to come back. 0: as many as memory has room for."`
	MaxServiceUploads    int           `field:"Limits.ServiceUploads" group:"Limits" placeholder:"N" env:"SCOPEGATE_MAX_SERVICE_UPLOADS" help:"Uploads in flight of one service. 0: any number."`
	MaxServiceBytes      settings.Size `field:"Limits.ServiceBytes" group:"Limits" placeholder:"SIZE" env:"SCOPEGATE_MAX_SERVICE_BYTES" help:"Memory of one service's uploads. 0: eight times what is free."`
	MaxConnections       int           `field:"Limits.Connections" group:"Limits" placeholder:"N" env:"SCOPEGATE_MAX_CONNECTIONS" help:"Open connections. To make room for another one, the one is closed that has been without an upload for longest; where all have one, the new one is."`
	MaxPeerConnections   int           `field:"Limits.PeerConnections" group:"Limits" placeholder:"N" env:"SCOPEGATE_MAX_PEER_CONNECTIONS" help:"Open connections of one IPv4 address, or of one IPv6 network of 64 bits. Behind a proxy give it as many as --max-connections. 0: half of these."`
	MaxConnectionStreams int           `field:"Limits.StreamsPerConnection" group:"Limits" placeholder:"N" env:"SCOPEGATE_MAX_CONNECTION_STREAMS" help:"Open streams of one connection; further ones wait in the client."`
	FirstMessageTimeout  time.Duration `field:"Limits.FirstMessageTimeout" group:"Limits" placeholder:"DURATION" env:"SCOPEGATE_FIRST_MESSAGE_TIMEOUT" help:"How long a stream may be open without a message."`
	IdleTimeout          time.Duration `field:"Limits.IdleTimeout" group:"Limits" placeholder:"DURATION" env:"SCOPEGATE_IDLE_TIMEOUT" help:"How long a client may keep the server waiting until it has sent what --min-rate asks for; then the upload is given back to it. 0: for ever."`
	MinRate              settings.Size `field:"Limits.MinBytesPerSecond" group:"Limits" placeholder:"SIZE" env:"SCOPEGATE_MIN_RATE" help:"Bytes a second that a client must send on average of each idle timeout. 0: anything."`
	StreamWindow         settings.Size `field:"Transport.StreamWindowBytes" group:"Limits" placeholder:"SIZE" env:"SCOPEGATE_STREAM_WINDOW" help:"HTTP/2 receive window of a stream, at least 64KiB."`
	ConnectionWindow     settings.Size `field:"Transport.ConnectionWindowBytes" group:"Limits" placeholder:"SIZE" env:"SCOPEGATE_CONNECTION_WINDOW" help:"HTTP/2 receive window of a connection, at least 64KiB."`
	MaxHeaderList        settings.Size `field:"Transport.MaxHeaderListBytes" group:"Limits" placeholder:"SIZE" env:"SCOPEGATE_MAX_HEADER_LIST" help:"Size of a request's headers."`
	MinPingInterval      time.Duration `field:"Transport.MinPingInterval" group:"Limits" placeholder:"DURATION" env:"SCOPEGATE_MIN_PING_INTERVAL" help:"How often clients may send keepalive pings; those that do more often are disconnected."`
}

// defaultMemoryLimit is the limit where none is given or found.
const defaultMemoryLimit settings.Size = 512 << 20

// cgroupShare is the part of the cgroup's limit that the server makes its own: the
// kernel counts more than the Go runtime does.
const cgroupShare = 0.9

// gcPercent is the garbage collector's target, unless GOGC sets another one. The
// server makes little garbage beside what it holds, so to collect it sooner than
// by default costs little and keeps the process smaller.
const gcPercent = 50

// findMemoryLimit sets the memory limit where none is given, and makes it the
// runtime's, unless GOMEMLIMIT has set that one. What it finds is entered into the
// setting of the limit.
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
			logger.WarnContext(ctx, "the cgroup's memory limit can't be read", "error", err.Error())
		}
		s.Found(f.MemoryLimit.String(), source)
	}
	if runtimeLimit == math.MaxInt64 {
		debug.SetMemoryLimit(int64(f.MemoryLimit))
	}
	if getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	logger.InfoContext(ctx, "memory is limited", "limit", s.Value, "chosen_by", s.ChosenBy())
}

// keptDescriptors is how many open files the process needs for other things than
// connections of clients: those to intakes, the admin port's, the spool, the log, files
// that are read again.
const keptDescriptors = 512

// limitConnections lowers the limit of connections where the process may not open as
// many files, so that some are left for health checks and intakes. What it finds is
// entered into the setting of the limit.
func (f *limitFlags) limitConnections(ctx context.Context, files uint64, s *settings.Setting, logger *slog.Logger) {
	most := max(files/2, files-min(files, keptDescriptors))
	if f.MaxConnections <= 0 || uint64(f.MaxConnections) <= most {
		return
	}
	logger.WarnContext(ctx, "fewer connections than --max-connections, as the process may not open as many files (ulimit -n)",
		"max_connections", most, "asked_for", f.MaxConnections, "files", files)
	f.MaxConnections = int(most)
	s.Found(strconv.Itoa(f.MaxConnections), "RLIMIT_NOFILE")
}
