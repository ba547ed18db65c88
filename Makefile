# probetape: build, demonstrate, test. `make demo` and `make test` work on a fresh Debian 12 with Go, make and root.

GO          ?= go
BIN         := bin/probetape
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# A commit in `probetape version` comes from the checkout, whatever the environment's GOFLAGS say.
BUILD_FLAGS := -trimpath -buildvcs=auto -ldflags='-s -w'
# Packages whose tests load BPF programs or drive the built binary: they need root and a kernel with BPF.
ROOT_PKGS   := ./record ./record/attach ./record/ring ./record/host
E2E_PKGS    := ./test
REPORT      := $(GO) run ./tools/testreport
# One kernel series for test-vm (KERNEL=6.1); all of them when empty.
KERNEL      ?=

export CGO_ENABLED := 0

.PHONY: all build demo test test-unit test-root test-e2e test-vm vet staticcheck generate generate-check readme bench clean

all: build

## build: the static binary, bin/probetape. Needs Go only: BPF objects are committed.
build:
	$(GO) build $(BUILD_FLAGS) -o $(BIN) ./cmd/probetape

## demo: records a compiler run and prints what the capture says.
demo:
	./scripts/install-deps.sh demo
	$(MAKE) --no-print-directory build
	./scripts/demo.sh

## test: every layer, from vet to the kernels in virtual machines.
test:
	./scripts/install-deps.sh test
	$(MAKE) --no-print-directory build
	$(MAKE) --no-print-directory vet
	$(MAKE) --no-print-directory staticcheck
	$(MAKE) --no-print-directory generate-check
	$(MAKE) --no-print-directory test-unit
	$(MAKE) --no-print-directory test-root
	$(MAKE) --no-print-directory test-e2e
	$(MAKE) --no-print-directory test-vm

## test-unit: what needs neither root nor BPF.
test-unit:
	$(REPORT) -- $(GO) test -json $$($(GO) list ./... | grep -vxF "$$($(GO) list $(ROOT_PKGS) $(E2E_PKGS))")

## test-root: recordings on this machine's kernel.
test-root: build
	$(REPORT) -- $(GO) test -json -count=1 -p 1 -timeout 10m $(ROOT_PKGS)

## test-e2e: the built program from outside, against strace, promtool and Prometheus.
test-e2e: build
	$(REPORT) -- $(GO) test -json -count=1 -p 1 -timeout 10m $(E2E_PKGS)

## test-vm: the same test binaries on Debian's kernels, in QEMU.
test-vm: build
	$(GO) run ./tools/vmtest $(if $(KERNEL),-kernel $(KERNEL))

## vet: Linux, macOS and Windows, tests included.
vet:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not gofmt'ed:" $$unformatted >&2; exit 1; fi
	GOOS=linux $(GO) vet ./...
	GOOS=darwin GOARCH=arm64 $(GO) vet ./...
	GOOS=windows GOARCH=amd64 $(GO) vet ./...
	GOOS=darwin GOARCH=arm64 $(GO) build -o /dev/null ./cmd/probetape
	GOOS=windows GOARCH=amd64 $(GO) build -o /dev/null ./cmd/probetape

staticcheck:
	$(GO) run $(STATICCHECK) ./...

## generate: rebuilds what is generated and committed; needs Debian 12's clang-14.
generate:
	./scripts/generate.sh

## generate-check: rebuilds it elsewhere and compares byte for byte.
generate-check:
	./scripts/generate.sh check

## readme: puts the output of real runs into README.md again.
readme: build
	./scripts/readme.sh

## bench: nanoseconds per event of each stage.
bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

clean:
	rm -rf bin
