package gosym

import (
	"debug/buildinfo"
	"runtime/debug"
	"slices"
	"testing"
)

func TestMetadata(t *testing.T) {
	t.Parallel()
	const commit = "0123456789abcdef0123456789abcdef01234567"
	git := []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: commit}, {Key: "vcs.modified", Value: "true"}}
	for name, tt := range map[string]struct {
		main     debug.Module
		settings []debug.BuildSetting
		version  string // "": none
		tags     []string
	}{
		"all": {
			debug.Module{Path: "github.com/shop/cart/v2", Version: "v2.1.0"},
			git, "v2.1.0",
			[]string{"git.commit.sha:" + commit, "git.repository_url:https://github.com/shop/cart"},
		},
		"module in a folder": {
			debug.Module{Path: "bitbucket.org/shop/cart/cmd"},
			git[:2], commit,
			[]string{"git.commit.sha:" + commit, "git.repository_url:https://bitbucket.org/shop/cart"},
		},
		"other host":   {debug.Module{Path: "example.com/shop/cart"}, git, commit + "+dirty", []string{"git.commit.sha:" + commit}},
		"no commit":    {debug.Module{Path: "github.com/shop/cart"}, nil, "", []string{"git.repository_url:https://github.com/shop/cart"}},
		"short path":   {debug.Module{Path: "github.com/shop"}, nil, "", nil},
		"not git":      {debug.Module{Path: "github.com/shop/cart"}, []debug.BuildSetting{{Key: "vcs", Value: "hg"}, {Key: "vcs.revision", Value: "1"}}, "1", nil},
		"not a module": {debug.Module{}, nil, "", nil},
	} {
		b := &Binary{module: newModule("cart", &buildinfo.BuildInfo{Main: tt.main, Settings: tt.settings})}
		got := b.Metadata()
		if got.Service != "cart" && got.Service != "cmd" && got.Service != "shop" || got.Language != "go" {
			t.Errorf("%s: service %q, language %q, want those of the module", name, got.Service, got.Language)
		}
		if (got.Version == nil) != (tt.version == "") || got.Version != nil && *got.Version != tt.version {
			t.Errorf("%s: version %v, want %q", name, got.Version, tt.version)
		}
		if !slices.Equal(got.Tags, tt.tags) {
			t.Errorf("%s: tags %q, want %q", name, got.Tags, tt.tags)
		}
	}
	none := (&Binary{module: newModule("/bin/shop.exe", nil)}).Metadata()
	if none.Service != "shop" || none.Version != nil || none.Language != "go" || none.Tags != nil {
		t.Errorf("without build information: %+v, want service shop alone", none)
	}
}
