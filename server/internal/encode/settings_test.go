package encode_test

import (
	"strings"
	"testing"

	"github.com/scopegate/scopegate/server/internal/encode"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	if err := encode.DefaultSettings().Validate(); err != nil {
		t.Errorf("default: %v", err)
	}
	tests := []struct {
		change func(*encode.Settings)
		want   string // empty: no error
	}{
		{func(s *encode.Settings) { s.Level = -1 }, "level -1"},
		{func(s *encode.Settings) { s.Level = encode.Scope }, ""},
		{func(s *encode.Settings) { s.Level = 1 }, ""},
		{func(s *encode.Settings) { s.Level = 9 }, ""},
		{func(s *encode.Settings) { s.Level = 10 }, "level 10"},
		{func(s *encode.Settings) { s.ChunkBytes = 16<<10 - 1 }, "chunk of 16383 bytes"},
		{func(s *encode.Settings) { s.ChunkBytes = 16 << 10 }, ""},
		{func(s *encode.Settings) { s.ChunkBytes = 4 << 20 }, ""},
		{func(s *encode.Settings) { s.ChunkBytes = 4<<20 + 1 }, "chunk of 4194305 bytes"},
		{func(s *encode.Settings) { s.WindowBytes = -1 }, "window of -1 bytes"},
		{func(s *encode.Settings) { s.WindowBytes = 0 }, ""},
		{func(s *encode.Settings) { s.WindowBytes = 32 << 10 }, ""},
		{func(s *encode.Settings) { s.WindowBytes = 32<<10 + 1 }, "window of 32769 bytes"},
		{func(s *encode.Settings) { s.Compressors = -1 }, "compressors"},
	}
	for _, tt := range tests {
		settings := encode.DefaultSettings()
		tt.change(&settings)
		err := settings.Validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %q", settings, err, tt.want)
		}
		if _, poolErr := encode.NewPool(settings); (poolErr == nil) != (err == nil) {
			t.Errorf("%+v: NewPool says %v, want as Validate: %v", settings, poolErr, err)
		}
	}
}
