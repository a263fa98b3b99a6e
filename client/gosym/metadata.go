package gosym

import (
	"debug/buildinfo"
	"slices"
	"strings"

	"github.com/scopegate/scopegate/client"
)

// Language is the language of the metadata of an upload.
const Language = "go"

// Metadata returns what the binary tells about itself: service, version and language, and
// the tags git.commit.sha and git.repository_url as far as they are known. The repository
// is known by the path of the main module, if that is on github.com or bitbucket.org. The
// caller owns the metadata, and may add to it.
func (b *Binary) Metadata() client.Metadata {
	m := client.Metadata{Service: b.module.service, Language: Language, Tags: slices.Clone(b.module.tags)}
	if b.module.version != "" {
		m.Version = new(b.module.version)
	}
	return m
}

// gitTags returns the tags for the commit and the repository that a program was built
// from.
func gitTags(bi *buildinfo.BuildInfo) []string {
	var tags []string
	if vcs := setting(bi, "vcs"); vcs != "" && vcs != "git" {
		return nil
	}
	if commit := setting(bi, "vcs.revision"); commit != "" {
		tags = append(tags, "git.commit.sha:"+commit)
	}
	elements := strings.Split(bi.Main.Path, "/")
	if len(elements) >= 3 && (elements[0] == "github.com" || elements[0] == "bitbucket.org") {
		tags = append(tags, "git.repository_url:https://"+strings.Join(elements[:3], "/"))
	}
	return tags
}
