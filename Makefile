# Everything is a make target; CI runs these and nothing else. `make help` lists them.
#
# Needs Go, make and git. Other tools are installed, at the versions below, into .tmp/bin.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

MODULE := github.com/scopegate/scopegate
PKG ?= ./...
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

TMP := .tmp
TOOLS := $(TMP)/bin
BUF := $(TOOLS)/buf
PROTOC_GEN_GO := $(TOOLS)/protoc-gen-go
PROTOC_GEN_GO_GRPC := $(TOOLS)/protoc-gen-go-grpc
GOFUMPT := $(TOOLS)/gofumpt
GOLANGCI_LINT := $(TOOLS)/golangci-lint
GHZ := $(TOOLS)/ghz

# The race detector needs cgo, and cgo a C compiler with its headers.
CC_WORKS := [ "$$(go env CGO_ENABLED)" = 1 ] && echo '\#include <pthread.h>' | $$(go env CC) -E - >/dev/null 2>&1

GO_FILES = $$(find . -name '*.go' -not -path './$(TMP)/*' -not -path './gen/*' -not -path '*/testdata/*')

##@ Use

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z][a-z-]*:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/scopegate, static, with DWARF
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o bin/scopegate ./cmd/scopegate

.PHONY: demo
demo: build ## Upload the symbols of scopegate's own binary through server and intake, and check them
	bin/scopegate demo

##@ Test

.PHONY: test
test: ## Run all tests, shuffled, with the race detector (PKG=./server/... for some)
	@race=-race; \
	if ! { $(CC_WORKS); }; then race=; echo "race detector: skipped, no C compiler"; fi; \
	set -x; go test $$race -shuffle=on $(PKG)

FUZZ ?= ^Fuzz
FUZZTIME ?= 10s

.PHONY: fuzz
fuzz: ## Fuzz each target in turn (FUZZ=^FuzzTranscode FUZZTIME=10s PKG=./server/...)
	@targets="$$(go test -list '$(FUZZ)' $(PKG) | awk \
		'/^Fuzz/ { names[n++] = $$1 } \
		$$1 == "ok" { for (i = 0; i < n; i++) print $$2, names[i]; n = 0 }')"; \
	[ -n "$$targets" ] || echo "no fuzz target matches $(FUZZ) in $(PKG)"; \
	while read -r package name; do \
		[ -n "$$name" ] || continue; \
		echo "== $$name ($$package)"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null; \
	done <<< "$$targets"

.PHONY: cover
cover: ## Run all tests with coverage; report in .tmp/cover.html
	@mkdir -p $(TMP)
	go test -coverprofile=$(TMP)/cover.out -coverpkg="$$(go list ./... | grep -v '^$(MODULE)/gen/' | paste -sd, -)" $(PKG)
	go tool cover -html=$(TMP)/cover.out -o $(TMP)/cover.html
	@go tool cover -func=$(TMP)/cover.out | tail -n 1

LOADTEST := $(TMP)/loadtest
SCENARIOS ?=
ROUNDS ?= 1
BASELINE ?= bin/baseline

.PHONY: loadtest
loadtest: build $(GHZ) ## Load the server and the baseline with real symbols (SCENARIOS=whole ROUNDS=3 BASELINE= for ours alone)
	@mkdir -p $(LOADTEST)
	CGO_ENABLED=0 GOFLAGS= go build -o $(LOADTEST)/go cmd/go
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -o bin/baseline ./integration/baseline/cmd
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -o bin/loadtest ./integration/loadtest
	bin/loadtest -server bin/scopegate -baseline '$(BASELINE)' -ghz $(GHZ) -proto proto \
		-binary $(LOADTEST)/go -dir $(LOADTEST) -scenarios '$(SCENARIOS)' -rounds $(ROUNDS)

##@ Check

.PHONY: lint lint-format lint-go lint-proto lint-mod
lint: lint-format lint-proto lint-mod lint-go ## Run every linter (`make -k lint` does not stop at the first)

lint-format: $(GOFUMPT)
	@$(GOFUMPT) -d $(GO_FILES) || { echo "gofumpt: run make fmt"; exit 1; }

lint-go: $(GOLANGCI_LINT)
	$(GOLANGCI_LINT) run $(PKG)

lint-proto: $(BUF)
	$(BUF) lint
	$(BUF) format --diff --exit-code

lint-mod:
	go mod tidy -diff

.PHONY: check-generate
check-generate: $(BUF) $(PROTOC_GEN_GO) $(PROTOC_GEN_GO_GRPC) ## Check that gen/ is what proto/ generates
	@rm -rf $(TMP)/generated
	$(BUF) generate --output $(TMP)/generated
	@git --no-pager diff --no-index --exit-code gen $(TMP)/generated/gen || { echo "gen/ is stale: run make generate"; exit 1; }

AGAINST ?= HEAD~1

.PHONY: breaking
breaking: $(BUF) ## Check that proto/ breaks no client of an earlier commit (AGAINST=HEAD~1)
	@if git cat-file -e '$(AGAINST):proto' 2>/dev/null; then \
		git archive --output $(TMP)/against.tar '$(AGAINST)' proto buf.yaml; \
		set -x; $(BUF) breaking --against $(TMP)/against.tar; \
	else \
		echo "breaking: skipped, there is no proto/ in $(AGAINST)"; \
	fi

PLATFORMS := linux-arm64 darwin-arm64 windows-amd64

.PHONY: cross $(PLATFORMS:%=cross-%)
cross: $(PLATFORMS:%=cross-%) ## Build all packages for linux/arm64, darwin/arm64 and windows/amd64

$(PLATFORMS:%=cross-%): cross-%:
	GOOS=$(word 1,$(subst -, ,$*)) GOARCH=$(word 2,$(subst -, ,$*)) CGO_ENABLED=0 go build -trimpath -buildvcs=false -o /dev/null ./...

.PHONY: ci
ci: ## Run what CI runs, step by step, with the time of each
	@.ci/run

##@ Change

.PHONY: generate
generate: $(BUF) $(PROTOC_GEN_GO) $(PROTOC_GEN_GO_GRPC) ## Generate gen/ from proto/
	$(BUF) generate

.PHONY: fmt
fmt: $(GOFUMPT) $(BUF) ## Format Go and proto files
	@$(GOFUMPT) -w $(GO_FILES)
	@$(BUF) format --write

.PHONY: clean
clean: ## Remove what was built; the tools in .tmp/bin stay
	rm -rf bin $(TMP)/generated $(TMP)/against.tar $(TMP)/cover.out $(TMP)/cover.html

##@ Tools

# $(call tool,package,version): .tmp/bin/NAME, built again when the version changes. The stamp carries the version in its
# name, so a new version is a new stamp, younger than the binary.
define tool
TOOL_FILES += $(TOOLS)/$(notdir $(1))

$(TOOLS)/.$(notdir $(1))@$(2):
	@mkdir -p $$(@D)
	@rm -f $(TOOLS)/.$(notdir $(1))@*
	@touch $$@

$(TOOLS)/$(notdir $(1)): $(TOOLS)/.$(notdir $(1))@$(2)
	GOBIN='$$(CURDIR)/$(TOOLS)' GOFLAGS= go install $(1)@$(2)
	@touch $$@
endef

$(eval $(call tool,github.com/bufbuild/buf/cmd/buf,v1.75.0))
$(eval $(call tool,google.golang.org/protobuf/cmd/protoc-gen-go,v1.36.12))
$(eval $(call tool,google.golang.org/grpc/cmd/protoc-gen-go-grpc,v1.6.2))
$(eval $(call tool,mvdan.cc/gofumpt,v0.12.0))
$(eval $(call tool,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,v2.15.0))
$(eval $(call tool,github.com/bojand/ghz/cmd/ghz,v0.121.0))

.PHONY: tools
tools: $(TOOL_FILES) ## Install the pinned tools into .tmp/bin
