# What a developer types. CI runs `make lint` and `make test`.

GO          ?= go
BENCH       ?= .
FUZZTIME    ?= 30s
FUZZ        ?= ./...
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
PLATFORMS   ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 \
               freebsd/amd64 freebsd/arm64 windows/amd64 windows/arm64

.PHONY: build needs test lint bench long fuzz cross packages clean

build: ## the binary, ./mailferry
	$(GO) build -trimpath -o mailferry ./cmd/mailferry

needs: ## what the tests need and this machine lacks, on Debian
	@testdata/ci/needs.sh

test: needs ## all tests, with the race detector
	@PATH="$$PATH:/usr/sbin:/sbin" $(GO) test -race -parallel 6 -timeout 30m ./...

lint: ## formatting, vet, staticcheck
	@unformatted=$$(gofmt -l .) && test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

BENCH_SCALE ?= 1
BENCH_ROUNDS ?= 3
BENCH_RESULTS ?= testdata/bench/RESULTS.md
bench: ## benchmarks (BENCH selects), then mailferry beside other programs; BENCH_SCALE=0.05 shrinks it
	$(GO) test -run '^$$' -bench '$(BENCH)' -skip BesideOthers -benchmem -timeout 2h ./...
	BENCH_SCALE=$(BENCH_SCALE) BENCH_ROUNDS=$(BENCH_ROUNDS) BENCH_RESULTS=$(abspath $(BENCH_RESULTS)) \
	  $(GO) test -run '^$$' -bench BesideOthers -benchtime 1x -timeout 6h ./cmd/mailferry

LONG_REPORT ?= long-report.txt
long: ## the tests again, with longer random histories and more crash points; ends with what each suite counted
	@testdata/ci/needs.sh long
	@rm -f $(LONG_REPORT)
	@code=0; MAILFERRY_LONG=1 MAILFERRY_REPORT=$(abspath $(LONG_REPORT)) \
	  $(GO) test -race -tags long -count=1 -timeout 6h ./... || code=$$?; \
	  echo "== what was tried, and what came of it (also in $(LONG_REPORT))"; sort $(LONG_REPORT); exit $$code

fuzz: ## every fuzz target of the packages FUZZ for FUZZTIME, in memory where that can be had
	@set -e; [ ! -d /dev/shm ] || export TMPDIR=/dev/shm; \
	for package in $$($(GO) list $(FUZZ)); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "== $$package $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
	  done; \
	done

cross: ## that it builds wherever it is released, and on Windows the tests, too
	@set -e; for platform in $(PLATFORMS); do \
	  echo "== $$platform"; \
	  CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) build -o /dev/null ./cmd/mailferry; \
	done
	CGO_ENABLED=0 GOOS=windows $(GO) vet ./...

GORELEASER ?= github.com/goreleaser/goreleaser/v2@v2.16.0
packages: ## archives, deb, rpm and apk in dist/packages, and a test that installs the deb (the first time builds goreleaser: 10 minutes, 4 GB)
	$(GO) run $(GORELEASER) check
	$(GO) run $(GORELEASER) release --snapshot --clean
	$(GO) test -tags packages -count=1 -run TestPackage ./cmd/mailferry

clean: ## what the other targets leave behind
	rm -rf mailferry dist
