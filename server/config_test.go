package server_test

import (
	"errors"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/scopegate/scopegate/server"
)

func usable() server.Config {
	cfg := server.DefaultConfig()
	cfg.Intake.URL = "http://127.0.0.1:1/"
	return cfg
}

// numbers calls f for each number and duration in v, with its path.
func numbers(v reflect.Value, path string, f func(path string, number reflect.Value)) {
	for field, value := range v.Fields() {
		at := strings.TrimPrefix(path+"."+field.Name, ".")
		switch {
		case value.Kind() == reflect.Struct && value.Type() != reflect.TypeFor[server.Secret]():
			numbers(value, at, f)
		case value.CanInt():
			f(at, value)
		}
	}
}

// A negative number means nothing but where the setting's description says so.
func TestConfigRefusesNegativeNumbers(t *testing.T) {
	t.Parallel()
	mayBeNegative := map[string]bool{"FlushThresholdBytes": true, "FlushThresholdRawBytes": true}
	cfg := usable()
	count := 0
	numbers(reflect.ValueOf(&cfg).Elem(), "", func(path string, number reflect.Value) {
		count++
		before := number.Int()
		number.SetInt(-int64(time.Second))
		err := cfg.Validate()
		number.SetInt(before)
		if mayBeNegative[path] {
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			return
		}
		if wrong, ok := errors.AsType[*server.ConfigError](err); !ok || wrong.Field != path || !strings.HasPrefix(wrong.Value, "-1") {
			t.Errorf("%s: got %v, want an error of the field, with its value", path, err)
		}
	})
	if count < 20 {
		t.Errorf("only %d settings are numbers", count)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	const canary = "canary"
	for want, spoil := range map[string]func(*server.Config){
		"Intake.URL is missing":            func(c *server.Config) { c.Intake.URL = "" },
		"Intake.URL is not http://":        func(c *server.Config) { c.Intake.URL = "canary:canary@canary/?canary" },
		"Intake.APIKey contains a control": func(c *server.Config) { c.Intake.APIKey = server.NewSecret(canary + "\n") },
		`Intake.AdditionalTags: "a\nb" co`: func(c *server.Config) { c.Intake.AdditionalTags = "a\nb" },
		"AdditionalIntakes.Intakes has an invalid URL: number 2 is not": func(c *server.Config) {
			c.AdditionalIntakes.Intakes = []server.AdditionalIntake{{URL: "http://x/"}, {URL: canary + "@x"}}
		},
		"AdditionalIntakes.Intakes has an invalid API key: number 1 contains": func(c *server.Config) {
			c.AdditionalIntakes.Intakes = []server.AdditionalIntake{{URL: "http://x/", APIKey: server.NewSecret(canary + "\n")}}
		},
		"AdditionalIntakes.QueueBytes: 1073741824 for each intake adds up to more than a quarter of the memory limit of 512MiB": func(c *server.Config) {
			c.AdditionalIntakes.Intakes = []server.AdditionalIntake{{URL: "http://x/"}}
			c.AdditionalIntakes.QueueBytes = 1 << 30
		},
		"Limits.MemoryBytes: 1024 is below 32MiB":      func(c *server.Config) { c.Limits.MemoryBytes = 1024 },
		"Limits.MinBytesPerSecond: 1 requires an idle": func(c *server.Config) { c.Limits.IdleTimeout = 0 },
		"Limits.SpoolBytes: 0 is not positive":         func(c *server.Config) { c.Limits.SpoolDir, c.Limits.SpoolBytes = "/x", 0 },
		"CompressionLevel: 10 is not between 0 and 9":  func(c *server.Config) { c.CompressionLevel = 10 },
		"VerifyBatches: 1.1 is not between 0 and 1":    func(c *server.Config) { c.VerifyBatches = 1.1 },
		"VerifyBatches: NaN is not between 0 and 1":    func(c *server.Config) { c.VerifyBatches = math.NaN() },
		"ChunkBytes: 1 is not between 16KiB and 4MiB":  func(c *server.Config) { c.ChunkBytes = 1 },
		"MaxScopeBytes: 1 is not between 1KiB and 1Gi": func(c *server.Config) { c.MaxScopeBytes = 1 },
		"Access.TenantsInterval: 0s is not positive":   func(c *server.Config) { c.Access = server.AccessConfig{TenantsFile: "x"} },
		"TLS.MinVersion: 0x301 is neither":             func(c *server.Config) { c.TLS.MinVersion = 0x301 },
		"TLS.CertFile: x is set without the file":      func(c *server.Config) { c.TLS.CertFile = "x" },
		"TLS.ClientCAFile: x requires the server":      func(c *server.Config) { c.TLS.ClientCAFile = "x" },
		"TLS.KeyFile is the content of a file":         func(c *server.Config) { c.TLS.KeyFile = canary + "\n" },
		"Intake.TLS.KeyFile: x is set without the":     func(c *server.Config) { c.Intake.TLS.KeyFile = "x" },
		"Intake.TLS.CAFile: x requires an intake URL":  func(c *server.Config) { c.Intake.TLS.CAFile = "x" },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			cfg := usable()
			spoil(&cfg)
			_, err := server.New(cfg, slog.New(slog.DiscardHandler))
			wrong, ok := errors.AsType[*server.ConfigError](err)
			if !ok || !strings.HasPrefix(wrong.Error(), want) || strings.Contains(err.Error(), canary) {
				t.Fatalf("got %v, want %q first, and no secret", err, want)
			}
			field := reflect.ValueOf(cfg)
			for name := range strings.SplitSeq(wrong.Field, ".") {
				if field = field.FieldByName(name); !field.IsValid() {
					t.Fatalf("there is no field %s", wrong.Field)
				}
			}
		})
	}
}

// A server whose compressors and connections take nearly all memory could accept no upload.
func TestNewRefusesMemoryDrawnAtRest(t *testing.T) {
	t.Parallel()
	cfg := usable()
	cfg.Limits.MemoryBytes, cfg.Intake.MaxConnections = 32<<20, 1000
	_, err := server.New(cfg, slog.New(slog.DiscardHandler))
	if wrong, ok := errors.AsType[*server.ConfigError](err); !ok || wrong.Field != "Limits.MemoryBytes" {
		t.Errorf("got %v, want an error of Limits.MemoryBytes", err)
	}
}
