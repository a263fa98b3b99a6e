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
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)

TMP := .tmp
TOOLS := $(TMP)/bin
BUF := $(TOOLS)/buf
PROTOC_GEN_GO := $(TOOLS)/protoc-gen-go
PROTOC_GEN_GO_GRPC := $(TOOLS)/protoc-gen-go-grpc
GOLANGCI_LINT := $(TOOLS)/golangci-lint
GHZ := $(TOOLS)/ghz
GRPCURL := $(TOOLS)/grpcurl
GORELEASER := $(TOOLS)/goreleaser

# Modules of their own, which keep out of scopegate's go.mod what only they need.
NESTED := deploy integration/gates integration/toxiproxy

# The same for all targets, so that what one has compiled the others find in the build cache. The race detector needs cgo.
# Vet is one of golangci-lint's linters; before each test it would read all dependencies once more.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false -vet=off

# With empty caches, compilers that collect less garbage take a fifth less processor time. Tests run without these variables.
COMPILE := GOGC=400 GOMEMLIMIT=3GiB
UNSET := -exec 'env -u GOGC -u GOMEMLIMIT'

# Helm imports all of Kubernetes' client, which the tests of deploy/ hardly run: so it is compiled fast, not well.
DEPLOY_GOFLAGS := $(GOFLAGS) '-gcflags=k8s.io/...=-N -l -dwarf=false'

# cgo needs a C compiler with its headers.
CC_WORKS := echo '\#include <pthread.h>' | $$(go env CC) -E - >/dev/null 2>&1

GO_FILES = $$(find . -name '*.go' -not -path './$(TMP)/*' -not -path './gen/*' -not -path '*/testdata/*')

##@ Use

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z][a-z-]*:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The same sources, VERSION, COMMIT and Go give the same bytes, with a .git or without: so version and commit are stamped
# here, and not by -buildvcs. `make check-reproducible` holds that.
GO_BUILD = $(COMPILE) go build -ldflags '-X main.version=$(VERSION) -X main.commit=$(COMMIT)'

.PHONY: build
build: ## Build bin/scopegate, static, with DWARF (VERSION=… COMMIT=… where there is no git)
	$(GO_BUILD) -o bin/scopegate ./cmd/scopegate

BINARY := bin/scopegate
SBOM := $(BINARY).cdx.json

.PHONY: sbom
sbom: $(if $(filter bin/scopegate,$(BINARY)),build) ## Write bin/scopegate.cdx.json: Go and the modules that are in bin/scopegate (CycloneDX)
	go -C deploy tool cyclonedx-gomod bin -json -std -noserial -version '$(VERSION)' \
		-output '$(abspath $(SBOM))' '$(abspath $(BINARY))'

.PHONY: demo
demo: build ## Upload the symbols of scopegate's own binary through server and intake, and check them
	bin/scopegate demo

##@ Test

# Tests mostly wait. So for each processor there are two packages at once, and four tests of each.
AT_ONCE = -p $$((2 * $$(getconf _NPROCESSORS_ONLN))) -parallel $$((4 * $$(getconf _NPROCESSORS_ONLN)))

# Many tests build programs. What these share is compiled before, once: go commands that run side by side do not share work.
# The race detector would have each test binary sleep for a second at its end, for goroutines that tests leave behind: none do.
# These binaries are linked without DWARF, so it is not compiled.
.PHONY: test
test: ## Run all tests, shuffled, with the race detector (PKG=./server/... for some)
	@$(if $(filter ./...,$(PKG)),$(COMPILE) go build -o /dev/null ./cmd/scopegate)
	@race='-race -gcflags=all=-dwarf=false'; export CGO_ENABLED=1; \
	if ! { $(CC_WORKS); }; then race= CGO_ENABLED=0; echo "race detector: skipped, no C compiler"; fi; \
	export GORACE="atexit_sleep_ms=0 $${GORACE:-}" $(COMPILE); set -x; \
	go test $$race $(UNSET) $(AT_ONCE) -shuffle=on -timeout 20m $(PKG); \
	$(if $(filter ./...,$(PKG)),go -C integration/gates test $$race $(UNSET) -shuffle=on ./...)

.PHONY: faults
faults: ## Run the long form of the tests that meet faults, kills and restarts, and print the counts (SCOPEGATE_SEED=N repeats a run)
	@SCOPEGATE_FAULTS=long go test -count=1 -v -timeout 60m -run '^Test(Fault|Spoiled|Kill|Rolling|Stuck|IntakeHasNoName|HostileBeyondMemory|HostileBombsBeyondMemory|HostileWatchers|Assault)' ./integration/ >$(TMP)/faults.log 2>&1 \
		|| { grep -E '^ *--- FAIL|_test.go:' $(TMP)/faults.log | grep -vE 'a stream failed|incidents:' | tail -60; echo "log: $(TMP)/faults.log"; exit 1; }
	@grep -E 'SCOPEGATE_SEED|[0-9]+ uploads whole|assault \||^(ok|PASS)' $(TMP)/faults.log

.PHONY: readme
readme: $(GRPCURL) $(GHZ) ## Run the commands and the program of README.md and docs/quickstart.md as they are printed there
	@PATH="$(CURDIR)/$(TOOLS):$$PATH" go test -count=1 -v -run '^Test(Readme|Quickstart)' ./integration/ | tee $(TMP)/readme.log
	@! grep '^--- SKIP' $(TMP)/readme.log

.PHONY: oracle
oracle: build corpus $(BUF) ## Hold what gosym says of three large binaries against their sources, and print what it finds
	@mkdir -p $(TMP)
	@SCOPEGATE_ORACLE='$(abspath bin/scopegate $(CORPUS)/compile $(BUF))' \
		go test -count=1 -v -timeout 20m -run '^TestOracleOn$$' ./client/gosym/ >$(TMP)/oracle.log 2>&1; status=$$?; \
	grep -vE '^=== ' $(TMP)/oracle.log; exit $$status

INTEROP := $(TMP)/interop
LANGUAGES ?= python node ruby java cpp

.PHONY: interop
interop: protos ## Run clients in other languages against server and intake, and compare (LANGUAGES="python java"; Linux)
	@integration/interop/prepare $(PROTOSET) $(INTEROP) $(LANGUAGES)
	@rm -f $(INTEROP)/table.md; status=0; \
	SCOPEGATE_INTEROP="$$(realpath $(INTEROP))" SCOPEGATE_INTEROP_LANGUAGES='$(LANGUAGES)' \
		go test -count=1 -timeout 15m -run '^TestInterop$$' ./integration/interop || status=$$?; \
	cat $(INTEROP)/table.md; exit $$status

STUCK ?= 5m

.PHONY: stuck
stuck: ## Have the intake answer nothing for a while, with 2,000 uploads open (STUCK=5m)
	@mkdir -p $(TMP)
	@SCOPEGATE_STUCK=$(STUCK) go test -count=1 -v -timeout 30m -run '^TestStuckIntake$$' ./integration/ >$(TMP)/stuck.log 2>&1 \
		|| { grep -E '^ *--- FAIL|_test.go:' $(TMP)/stuck.log | tail -60; echo "log: $(TMP)/stuck.log"; exit 1; }
	@grep -E 'uploads whole|^(ok|PASS)' $(TMP)/stuck.log

FLEET ?= 100000

.PHONY: fleet
fleet: ## Simulate a fleet that starts at once and sends more than the intake takes, on a clock that only moves when all wait (FLEET=100000)
	@SCOPEGATE_FLEET=$(FLEET) go test -count=1 -v -timeout 60m -run '^TestFleet$$' ./server/ | grep -vE '^(===|PASS)'

STREAMS ?= 100000

.PHONY: streams
streams: ## Compress random texts and read them with two decoders (STREAMS=100000)
	SCOPEGATE_STREAMS=$(STREAMS) go test -count=1 -timeout 60m -run '^TestStreams$$' ./server/internal/deflate

.PHONY: sizes
sizes: corpus ## Hold the default compression to its sizes on two large programs
	SCOPEGATE_CORPUS='$(abspath $(CORPUS)/go $(CORPUS)/compile)' \
		go test -count=1 -v -run '^TestSizes$$' ./server/internal/bench

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
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5x "$$package" </dev/null; \
	done <<< "$$targets"

SCREENSHOTS ?=

.PHONY: browser
browser: build ## Test the admin page in headless Chromium, installed where it is missing (SCREENSHOTS=docs makes its pictures anew)
	@chromium="$$(integration/browser/install | tail -n 1)"; \
	echo "browser: $$("$$chromium" --version)"; \
	CHROMIUM="$$chromium" SCOPEGATE='$(CURDIR)/bin/scopegate' SCREENSHOTS='$(if $(SCREENSHOTS),$(abspath $(SCREENSHOTS)))' \
		node --test --test-reporter=spec integration/browser/page.test.mjs

.PHONY: cover
cover: ## Run all tests with coverage; report in .tmp/cover.html
	@mkdir -p $(TMP)
	go test -coverprofile=$(TMP)/cover.out -coverpkg="$$(go list ./... | grep -v '^$(MODULE)/gen/' | paste -sd, -)" $(PKG)
	go tool cover -html=$(TMP)/cover.out -o $(TMP)/cover.html
	@go tool cover -func=$(TMP)/cover.out | tail -n 1

##@ Measure

CORPUS := $(TMP)/corpus
BENCH = go build -o bin/bench ./server/internal/bench && bin/bench
ROUNDS ?= 9

.PHONY: bench bench-memory bench-fairness bench-wire bench-worst bench-profile corpus
bench: corpus ## Compare with the baseline: speed and size, as tables and docs/benchmarks.svg (ROUNDS=9)
	$(BENCH) -rounds $(ROUNDS) -plot docs/benchmarks.svg $(CORPUS)/go $(CORPUS)/compile

bench-memory: corpus $(BUF) ## Heap of open uploads, and the peak that a large one adds
	$(BENCH) -memory $(CORPUS)/go $(BUF)

bench-fairness: corpus ## How long a small upload waits beside huge ones
	$(BENCH) -fairness $(CORPUS)/go $(CORPUS)/compile

bench-wire: corpus ## What compression of messages on the wire saves and costs
	$(BENCH) -wire -rounds $(ROUNDS) $(CORPUS)/go $(CORPUS)/compile

bench-worst: ## Speed and size of texts that are no scopes
	$(BENCH) -worst -rounds $(ROUNDS)

bench-profile: corpus ## Where the default way's time goes
	$(BENCH) -profile $(TMP)/cpu.out $(CORPUS)/go $(CORPUS)/compile
	go tool pprof -top -nodecount 10 bin/bench $(TMP)/cpu.out

PRODUCER = go build -o bin/producer ./integration/producer && bin/producer
PRODUCER_BINARIES := $(CORPUS)/compile $(BUF) $(GOLANGCI_LINT)

# The bounds are those of docs/benchmarks-producer.md.
.PHONY: bench-producer producer-heap
bench-producer: build corpus $(BUF) $(GOLANGCI_LINT) ## Memory and time of an upload in the process that makes it, of three binaries (BASE=main for a commit beside it)
	@base=; \
	if [ -n '$(BASE)' ]; then \
		rm -rf $(TMP)/producer; mkdir -p $(TMP)/producer; \
		git archive '$(BASE)' | tar -x -C $(TMP)/producer; \
		go -C $(TMP)/producer build -o ../producer-base ./cmd/scopegate; \
		base=$(TMP)/producer-base; \
	fi; \
	$(PRODUCER) -rounds $(ROUNDS) -base "$$base" $(PRODUCER_BINARIES)

producer-heap: build corpus $(BUF) $(GOLANGCI_LINT) ## Check that an upload's heap is at most 20 MiB in the process that makes it
	@$(PRODUCER) -rounds 3 -max-heap 20 -max-anonymous 32 $(PRODUCER_BINARIES)

# The programs whose symbols are encoded, built again when the Go version changes.
corpus:
	@stamp="$(CORPUS)/.$$(go env GOVERSION)"; \
	if [ ! -e "$$stamp" ]; then \
		rm -rf $(CORPUS); \
		mkdir -p $(CORPUS); \
		$(COMPILE) go build -o $(CORPUS)/go cmd/go; \
		$(COMPILE) go build -o $(CORPUS)/compile cmd/compile; \
		touch "$$stamp"; \
	fi

LOADTEST := $(TMP)/loadtest
SCENARIOS ?=
LOAD_PLOT ?=
LOAD_ROUNDS ?= 1
BASELINE ?= bin/baseline

.PHONY: loadtest
loadtest: build corpus $(GHZ) ## Load the server and the baseline with real symbols (SCENARIOS=whole LOAD_ROUNDS=3 LOAD_PLOT=load.svg, BASELINE= for ours alone)
	@mkdir -p $(LOADTEST)
	go build -o bin/baseline ./integration/baseline/cmd
	go build -o bin/loadtest ./integration/loadtest
	bin/loadtest -server bin/scopegate -baseline '$(BASELINE)' -ghz $(GHZ) -proto proto \
		-binary $(CORPUS)/go -dir $(LOADTEST) -scenarios '$(SCENARIOS)' -rounds $(LOAD_ROUNDS) -plot '$(LOAD_PLOT)'

GATES := $(TMP)/gates
BASE ?=
REPLICATES ?= 5
EXPERIMENTS ?=

.PHONY: gates
gates: build corpus ## Check the server's bounds under load, and compare with another commit's (BASE=main REPLICATES=5 EXPERIMENTS=slow)
	@rm -rf $(GATES)
	@mkdir -p $(GATES)/base
	go -C integration/gates build -o ../../bin/gates .
	@base=(); \
	if [ -n '$(BASE)' ]; then \
		revision="$$(git rev-parse --verify --short '$(BASE)^{commit}')" || exit 2; \
		git archive "$$revision" | tar -x -C $(GATES)/base || exit 2; \
		go -C $(GATES)/base build -o ../base-server ./cmd/scopegate || exit 2; \
		base=(-base $(GATES)/base-server -base-revision "$$revision"); \
	fi; \
	bin/gates "$${base[@]+"$${base[@]}"}" -candidate bin/scopegate -candidate-revision '$(VERSION)' \
		-binary $(CORPUS)/go -dir $(GATES) -experiments '$(EXPERIMENTS)' -replicates $(REPLICATES)

##@ Check

.PHONY: lint lint-format lint-go lint-proto lint-mod
lint: lint-format lint-proto lint-mod lint-go ## Run every linter (`make -k lint` does not stop at the first)

lint-format: $(GOLANGCI_LINT)
	@$(GOLANGCI_LINT) fmt --diff $(GO_FILES) || { echo "gofumpt: run make fmt"; exit 1; }

lint-go: $(GOLANGCI_LINT)
	$(COMPILE) $(GOLANGCI_LINT) run --allow-parallel-runners $(PKG)
	@export GOFLAGS="$(DEPLOY_GOFLAGS)" $(COMPILE); for module in $(NESTED); do (set -x; cd "$$module" && $(abspath $(GOLANGCI_LINT)) run --allow-parallel-runners); done

lint-proto: $(BUF)
	$(BUF) lint
	$(BUF) format --diff --exit-code

lint-mod:
	go mod tidy -diff
	@for module in $(NESTED) integration/grpctools; do (set -x; go -C "$$module" mod tidy -diff); done

.PHONY: check-generate
check-generate: $(BUF) $(PROTOC_GEN_GO) $(PROTOC_GEN_GO_GRPC) ## Check that gen/ and the tables of settings and metrics are what the code generates
	@rm -rf $(TMP)/generated
	$(BUF) generate --output $(TMP)/generated
	@git --no-pager diff --no-index --exit-code gen $(TMP)/generated/gen || { echo "gen/ is stale: run make generate"; exit 1; }
	go test -count=1 -run '^Test(SettingsAreDocumented|MetricsTable)$$' ./integration/repository

# What can't be checked here is named, and counts as nothing.
.PHONY: check-deploy
check-deploy: ## Check deploy/: Dockerfile, Kubernetes manifests and systemd unit, and that they agree with the command
	@mkdir -p $(TMP)
	@GOFLAGS="$(DEPLOY_GOFLAGS)" $(COMPILE) go -C deploy test $(UNSET) -count=1 -v ./... >$(TMP)/check-deploy.log 2>&1 || { grep -vE '^=== ' $(TMP)/check-deploy.log; exit 1; }
	@grep -E '^ *(---|ok|[a-z_]+_test.go:)' $(TMP)/check-deploy.log
	@echo "skipped: docker build, kubectl apply --dry-run=server and a start by systemd: they need Docker, a cluster and a host"

.PHONY: check-reproducible
check-reproducible: ## Check that two folders, one with an empty build cache, give the same binary
	@rm -rf $(TMP)/reproducible
	@mkdir -p $(TMP)/reproducible/one $(TMP)/reproducible/another-folder
	@git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tee >(tar -x -C $(TMP)/reproducible/one) \
		| tar -x -C $(TMP)/reproducible/another-folder
	cd $(TMP)/reproducible/one && $(GO_BUILD) -o scopegate ./cmd/scopegate
	cd $(TMP)/reproducible/another-folder && GOCACHE="$$PWD/../cache" $(GO_BUILD) -o scopegate ./cmd/scopegate
	@cd $(TMP)/reproducible && sha256sum one/scopegate another-folder/scopegate
	@cmp $(TMP)/reproducible/one/scopegate $(TMP)/reproducible/another-folder/scopegate
	@rm -rf $(TMP)/reproducible

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

.PHONY: cross
cross: ## Type-check all packages and their tests for linux/arm64, darwin/arm64 and windows/amd64
	$(COMPILE) go run ./integration/crosscheck '$(PLATFORMS)' . $(NESTED)

.PHONY: ci
ci: ## Run what CI runs, step by step, with the time of each
	@.ci/run

PROTOSET := bin/symdb.v1.binpb

.PHONY: protos
protos: $(BUF) ## Check the layout of proto/ and build bin/symdb.v1.binpb, a descriptor set that any protobuf compiler takes
	$(BUF) lint
	@mkdir -p bin
	$(BUF) build --as-file-descriptor-set -o - | go run ./integration/interop/protoset >$(PROTOSET)

##@ Release

.PHONY: completions
completions: build ## Write the completion scripts for bash, zsh and fish into bin/completions
	@mkdir -p bin/completions
	bin/scopegate completion bash >bin/completions/scopegate.bash
	bin/scopegate completion zsh >bin/completions/_scopegate
	bin/scopegate completion fish >bin/completions/scopegate.fish

RELEASE_NOTES := $(TMP)/release-notes.md

# The part of CHANGELOG.md about VERSION, without the links at the end.
.PHONY: release-notes
release-notes:
	@mkdir -p $(TMP)
	@awk -v heading='[$(VERSION:v%=%)]' '$$1 == "##" { found = $$2 == heading; next } found && !/^\[.*\]: /' CHANGELOG.md >$(RELEASE_NOTES)
	@grep -q . $(RELEASE_NOTES) || { echo "CHANGELOG.md has no section for $(VERSION)"; exit 1; }

.PHONY: snapshot release
snapshot: $(GORELEASER) ## Build archives and packages for all platforms into dist/, and publish nothing; installing goreleaser takes minutes
	$(GORELEASER) release --snapshot --clean

release: $(GORELEASER) release-notes ## Build the same for the current tag, and publish it on GitHub (GITHUB_TOKEN=…)
	$(GORELEASER) release --clean --release-notes $(RELEASE_NOTES)

##@ Change

.PHONY: generate
generate: $(BUF) $(PROTOC_GEN_GO) $(PROTOC_GEN_GO_GRPC) ## Generate gen/ from proto/, and the tables of settings and metrics from the code
	$(BUF) generate
	go test -count=1 -parallel 1 -run '^Test(SettingsAreDocumented|MetricsTable)$$' ./integration/repository -update

.PHONY: fmt
fmt: $(GOLANGCI_LINT) $(BUF) ## Format Go and proto files
	@$(GOLANGCI_LINT) fmt $(GO_FILES)
	@$(BUF) format --write

.PHONY: clean
clean: ## Remove what was built; the tools in .tmp/bin stay
	rm -rf bin dist $(TMP)/generated $(TMP)/against.tar $(TMP)/cover.out $(TMP)/cover.html

##@ Tools

# $(call tool,package,version): .tmp/bin/NAME, built again when the version changes. The stamp carries the version in its
# name, so a new version is a new stamp, younger than the binary.
define tool
TOOL_FILES += $(TOOLS)/$(notdir $(1:%/v2=%))
TOOL_PACKAGES += $(1)@$(2)

$(TOOLS)/.$(notdir $(1:%/v2=%))@$(2):
	@mkdir -p $$(@D)
	@rm -f $(TOOLS)/.$(notdir $(1:%/v2=%))@*
	@touch $$@

$(TOOLS)/$(notdir $(1:%/v2=%)): $(TOOLS)/.$(notdir $(1:%/v2=%))@$(2)
	$(COMPILE) GOBIN='$$(CURDIR)/$(TOOLS)' go install $(1)@$(2)
	@touch $$@
endef

$(eval $(call tool,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,v2.15.0))
$(eval $(call tool,github.com/bufbuild/buf/cmd/buf,v1.75.0))
$(eval $(call tool,google.golang.org/protobuf/cmd/protoc-gen-go,v1.36.12))
$(eval $(call tool,google.golang.org/grpc/cmd/protoc-gen-go-grpc,v1.6.2))

# All others are for CI, this one for releases.
CI_TOOLS := $(TOOL_FILES) $(GHZ) $(GRPCURL)
CI_PACKAGES := $(TOOL_PACKAGES)
$(eval $(call tool,github.com/goreleaser/goreleaser/v2,v2.17.0))

# These two have their versions in a module, and there gRPC and protobuf of scopegate's: so it is not compiled for each again.
$(GHZ): package := github.com/bojand/ghz/cmd/ghz
$(GRPCURL): package := github.com/fullstorydev/grpcurl/cmd/grpcurl
$(GHZ) $(GRPCURL): integration/grpctools/go.mod
	$(COMPILE) GOBIN='$(CURDIR)/$(TOOLS)' go -C integration/grpctools install $(package)
	@touch $@

# "go install -n" and "go list" download the modules, and compile nothing.
.PHONY: fetch fetch-modules fetch-packages
fetch: fetch-modules fetch-packages ## Download what all targets need, ahead of them: modules, packages of Debian and npm

fetch-modules:
	@for package in $(CI_PACKAGES); do go install -n $$package >/dev/null; done
	@for module in . $(NESTED); do go -C $$module list -deps -test ./... >/dev/null; done
	@go -C integration/grpctools list -deps tool >/dev/null

fetch-packages:
	@integration/interop/prepare --packages $(LANGUAGES)
	@integration/browser/install

.PHONY: tools
tools: $(CI_TOOLS) ## Install the pinned tools into .tmp/bin, except the one for releases
