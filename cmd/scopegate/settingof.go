package main

import (
	"errors"
	"fmt"

	"github.com/scopegate/scopegate/server"
)

// settingOf names the setting that each field of [server.Config] takes its value
// from. Fields that no setting sets, and so keep their default, are not in it.
//
//nolint:gosec // names of files with keys, and no keys
var settingOf = map[string]string{
	"FlushThresholdBytes":    "flush-threshold",
	"FlushThresholdRawBytes": "flush-threshold-raw",
	"MaxBatchBytes":          "max-batch-bytes",
	"MaxBatchRawBytes":       "max-batch-raw-bytes",
	"MaxBatchAge":            "max-batch-age",
	"MaxConnectionAge":       "max-connection-age",
	"MaxScopeBytes":          "max-scope-bytes",
	"MaxDepth":               "max-depth",
	"CompressionLevel":       "compression-level",
	"ChunkBytes":             "chunk-bytes",

	"Intake.URL":            "intake-url",
	"Intake.APIKey":         "api-key-file",
	"Intake.AdditionalTags": "additional-tags",
	"Intake.PostTimeout":    "post-timeout",
	"Intake.BatchDeadline":  "batch-deadline",
	"Intake.MaxConnections": "intake-connections",
	"Intake.TLS.CAFile":     "intake-ca",
	"Intake.TLS.CertFile":   "intake-cert",
	"Intake.TLS.KeyFile":    "intake-key",

	"AdditionalIntakes.Intakes":    "additional-intake",
	"AdditionalIntakes.QueueBytes": "additional-queue",
	"AdditionalIntakes.MaxAge":     "additional-max-age",

	"Access.TenantsFile": "tenants-file",
	"Access.Reflection":  "reflection",

	"TLS.CertFile":       "tls-cert",
	"TLS.KeyFile":        "tls-key",
	"TLS.ClientCAFile":   "tls-client-ca",
	"TLS.MinVersion":     "tls-min-version",
	"TLS.ReloadInterval": "tls-reload-interval",

	"Limits.MemoryBytes":          "memory-limit",
	"Limits.SpoolDir":             "spool-dir",
	"Limits.SpoolBytes":           "spool-bytes",
	"Limits.Uploads":              "max-uploads",
	"Limits.ServiceUploads":       "max-service-uploads",
	"Limits.ServiceBytes":         "max-service-bytes",
	"Limits.Connections":          "max-connections",
	"Limits.PeerConnections":      "max-peer-connections",
	"Limits.StreamsPerConnection": "max-connection-streams",
	"Limits.FirstMessageTimeout":  "first-message-timeout",
	"Limits.IdleTimeout":          "idle-timeout",
	"Limits.MinBytesPerSecond":    "min-rate",

	"Transport.StreamWindowBytes":     "stream-window",
	"Transport.ConnectionWindowBytes": "connection-window",
	"Transport.MaxHeaderListBytes":    "max-header-list",
	"Transport.MinPingInterval":       "min-ping-interval",
}

// inSettings returns an error of the server in the words of who has set what is
// wrong: where that stands, its name and its value as it is shown.
func inSettings(err error, all []setting) error {
	wrong, ok := errors.AsType[*server.ConfigError](err)
	if !ok {
		return err
	}
	s := find(all, settingOf[wrong.Field])
	if s == nil {
		return err
	}
	return fmt.Errorf("%s: %s %s", s.place(), s.value, wrong.Reason)
}
