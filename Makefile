# Kiln. `make help` lists what there is.

DENO_VERSION := 2.9.8
DENO := .tools/deno/$(DENO_VERSION)/deno
KILN := .build-release/release/kiln
SOURCES := Package.swift $(shell find Sources base-image -type f 2>/dev/null)

TEST_FLAGS := --no-parallel
SECONDS ?= 60
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
TAG ?= $(shell sed -n 's/.*static let text = "\(.*\)"/\1/p' Sources/kiln/Kiln.swift)

.PHONY: help up build install images test test-long test-kubernetes fuzz bench bench-router format lint clean
.DELETE_ON_ERROR:

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

up: $(KILN) $(DENO) ## Install what is missing, build, and run the platform (ARGS="--listen …" adds options)
	@$(KILN) up --deno $(DENO) $(ARGS)

build: $(KILN) ## Build the release binary

install: $(KILN) $(DENO) ## Install kiln, its Deno and the completions below PREFIX (/usr/local)
	@install -D $(KILN) $(DESTDIR)$(PREFIX)/bin/kiln
	@install -D $(DENO) $(DESTDIR)$(PREFIX)/lib/kiln/deno
	@mkdir -p $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	@mkdir -p $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	@$(KILN) completions bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/kiln
	@$(KILN) completions zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_kiln
	@$(KILN) completions fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/kiln.fish
	@echo "Installed $(DESTDIR)$(PREFIX)/bin/kiln. As root, 'kiln up' starts the platform."

images: $(KILN) $(DENO) ## Make Kiln's own image for a cluster and push it (REGISTRY=host[:port][/path], TAG=…)
	@test -n "$(REGISTRY)" || { echo "Say where to push it: make images REGISTRY=registry.example.com/tools" >&2; exit 2; }
	@$(KILN) image "$(REGISTRY)/kiln:$(TAG)" --deno $(DENO)

$(KILN): $(SOURCES) | .tools/setup-run
	@echo "Building Kiln in release (some minutes the first time) …"
	@swift build -c release --product kiln --scratch-path .build-release --static-swift-stdlib
	@touch $@

$(DENO): scripts/fetch-deno.sh | .tools/setup-run
	@scripts/fetch-deno.sh >/dev/null
	@touch $@

.tools/%/requirements.txt: scripts/fetch-python.sh scripts/%-requirements.txt | .tools/setup-test
	@scripts/fetch-python.sh $* >/dev/null
	@touch $@

.tools/setup-%: scripts/setup.sh
	@scripts/setup.sh $*
	@mkdir -p .tools && touch $@

.tools/schemathesis/done: scripts/fetch-schemathesis.sh | .tools/setup-test
	@scripts/fetch-schemathesis.sh >/dev/null
	@touch $@

test: .tools/setup-test .tools/schemathesis/done .tools/kubernetes/requirements.txt .tools/judges/requirements.txt .tools/http2/requirements.txt .tools/traces/requirements.txt .tools/websockets/requirements.txt $(DENO) ## Run the whole suite, with its own set-up
	swift build --quiet --build-tests
	KILN_DENO=$(abspath $(DENO)) scripts/run-tests.sh $(TEST_FLAGS)

test-long: .tools/setup-test .tools/schemathesis/done .tools/kubernetes/requirements.txt .tools/judges/requirements.txt .tools/http2/requirements.txt .tools/traces/requirements.txt .tools/websockets/requirements.txt $(DENO) ## The suite with its long stress tests
	swift build --quiet --build-tests
	KILN_TEST_LONG=1 KILN_DENO=$(abspath $(DENO)) scripts/run-tests.sh $(TEST_FLAGS)

test-kubernetes: .tools/setup-test $(DENO) ## The suite on the cluster that KUBECONFIG names (IMAGE=kiln:dev REGISTRY=… KEEP=1), in namespaces of its own
	swift build --quiet --build-tests
	@KILN_DENO=$(abspath $(DENO)) IMAGE="$(IMAGE)" REGISTRY="$(REGISTRY)" REGISTRY_PLAIN_HTTP="$(REGISTRY_PLAIN_HTTP)" \
		NODE_REGISTRY="$(NODE_REGISTRY)" REGISTRY_IMAGE="$(REGISTRY_IMAGE)" FILTER="$(FILTER)" KEEP="$(KEEP)" scripts/test-kubernetes/run.sh

fuzz: ## Attack what reads bytes in the Router by libFuzzer (SECONDS=60; ARGS go to libFuzzer)
	@scripts/fuzz.sh $(SECONDS) $(ARGS)

bench: $(KILN) $(DENO) .tools/setup-bench ## Measure beside peers in the same run (see docs/performance.md)
	@benchmarks/run.sh $(KILN) $(DENO)

bench-router: $(KILN) .tools/setup-bench ## Measure the Router beside nginx, and HAProxy where it is installed
	@benchmarks/router/run.sh $(KILN)

format: ## Format the sources
	swift format --in-place --recursive Package.swift Sources Tests

lint: ## Check the format of the sources
	swift format lint --strict --recursive Package.swift Sources Tests

clean: ## Remove what was built (not the fetched Deno)
	rm -rf .build .build-release .build-fuzz
