package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"math/rand/v2"

	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client/gosym"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

// corpus is a sequence of scopes to encode.
type corpus struct {
	name     string
	messages [][]byte // protobuf, fields in ascending order
	// json is the messages as JSON, separated by commas.
	json []byte
	// gzip6 is the length of json compressed by compress/gzip at level 6.
	gzip6 int
}

// loadCorpora reads the symbols of the binaries, named by their main packages:
// each as whole packages, and as messages of one function or type each.
func loadCorpora(binaries []string) ([]corpus, error) {
	if len(binaries) == 0 {
		return nil, fmt.Errorf("no binaries named; `make bench` names them")
	}
	var packages, functions []corpus
	for _, path := range binaries {
		whole, parts, err := readScopes(path)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		built, err := buildinfo.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		for _, c := range []struct {
			into     *[]corpus
			kind     string
			messages [][]byte
		}{{&packages, "whole packages", whole}, {&functions, "function-sized messages", parts}} {
			loaded, err := newCorpus(built.Path+", "+c.kind, c.messages)
			if err != nil {
				return nil, err
			}
			*c.into = append(*c.into, loaded)
		}
	}
	return append(packages, functions...), nil
}

func readScopes(path string) (whole, parts [][]byte, err error) {
	binary, err := gosym.Open(context.Background(), path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = binary.Close() }()
	for scope, err := range binary.Packages() {
		if err != nil {
			return nil, nil, err
		}
		wire, err := proto.Marshal(scope)
		if err != nil {
			return nil, nil, err
		}
		whole = append(whole, wire)
		for _, child := range scope.GetScopes() {
			part, err := proto.Marshal(&symdbv1.Scope{
				ScopeType: scope.GetScopeType(), Name: scope.Name, Scopes: []*symdbv1.Scope{child},
			})
			if err != nil {
				return nil, nil, err
			}
			parts = append(parts, part)
		}
	}
	return whole, parts, nil
}

// reorder returns the corpus with the fields of every message in random order, as dynamic
// encoders write them. If tear is set, the values of a list need not be adjacent. The order is
// the same in every run.
func (c corpus) reorder(tear bool) (corpus, error) {
	rng := rand.New(rand.NewPCG(0, 0)) // #nosec G404 -- the same in every run
	desc := (*symdbv1.Scope)(nil).ProtoReflect().Descriptor()
	reordered := make([][]byte, len(c.messages))
	for i, m := range c.messages {
		reordered[i] = transcodetest.Reorder(rng, desc, m, tear)
	}
	same, err := appendJSON(nil, reordered)
	if err != nil {
		return c, err
	}
	if !bytes.Equal(same, c.json) {
		return c, errors.New("messages in another order become other JSON")
	}
	c.messages = reordered
	return c, nil
}

func newCorpus(name string, messages [][]byte) (corpus, error) {
	c := corpus{name: name, messages: messages}
	json, err := appendJSON(nil, messages)
	if err != nil {
		return c, err
	}
	c.json = json
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, 6)
	if err != nil {
		return c, err
	}
	if _, err := w.Write(json); err != nil {
		return c, err
	}
	if err := w.Close(); err != nil {
		return c, err
	}
	c.gzip6 = out.Len()
	return c, nil
}
