package gosym

import (
	"debug/buildinfo"
	"slices"
	"strings"

	"github.com/scopegate/scopegate/client"
)

// language is the language of Go's tracers.
const language = "go"

// Metadata returns the metadata found in the binary. The caller owns it, and may add to it.
//
//   - Service is the last element of the main module's path, without a major version, or
//     the file's name if there is no module.
//   - Version is the main module's version or else its revision, with "+dirty" if files
//     were changed. It is nil if the binary has neither.
//   - Tags are git.commit.sha, and git.repository_url if the path of the main module is
//     on github.com or bitbucket.org.
func (b *Binary) Metadata() client.Metadata {
	m := client.Metadata{Service: b.module.service, Language: language, Tags: slices.Clone(b.module.tags)}
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
