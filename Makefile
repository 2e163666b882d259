# Wingman: the two commands of the README are `make demo` and `make test`.
SHELL := /bin/bash
CARGO ?= cargo

.PHONY: demo test bench bench-relay bench-direct bench-deps fmt static vendor lint unit browser advisories deps build-deps help

help:
	@echo "make demo    build, start an edge on loopback and share an app (PORT=… for yours)"
	@echo "make test    install what tests need and run all of them"
	@echo "make bench   measure both paths: bench-relay against nginx, plain Pingora, bore and rathole,"
	@echo "             bench-direct against Chromium and libdatachannel; BENCH_ARGS=--quick for a look"
	@echo "make fmt     format"
	@echo "make lint | unit | browser    parts of make test; make deps | build-deps    what it installs"
	@echo "make advisories    cargo deny's check of known vulnerabilities (needs the internet)"
	@echo "make static  build the scripts of the direct path into static/dist"
	@echo "make vendor  make vendor/rtc-sctp/src out of the published crate, our repairs and split.json"

demo: build-deps
	@scripts/demo.sh

# All of it has an end (75 minutes; it takes half of that on two cores), and the output tells the time of each part.
test: export WINGMAN_TEST_END := $(shell echo $$(($$(date +%s) + 4500)))
test: deps lint unit browser
	@scripts/clock.sh "all tests passed"

# The docs are for those who work on the code: private items are in them, and may be linked.
lint:
	@scripts/clock.sh "lint"
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --workspace --no-deps --locked --document-private-items --quiet
	$(CARGO) deny --log-level error check bans licenses sources
	npm --prefix static run --silent lint
	scripts/node.sh scripts/vendor.mjs --check

# Apart from `make lint`, for it fetches RustSec's database from GitHub, which an offline CI cannot.
advisories:
	$(CARGO) deny --log-level error check advisories

# Integration tests run the real binaries, optimized: they are what users have, and memory and latency
# figures of an unoptimized build say nothing.
unit:
	@scripts/clock.sh "building"
	$(CARGO) build --release --locked --workspace --bins --quiet
	$(CARGO) nextest run --release --workspace --locked --no-run --cargo-quiet
	@scripts/clock.sh "Rust tests"
	WINGMAN_BIN_DIR=$(CURDIR)/target/release $(CARGO) nextest run --release --workspace --locked
	@scripts/clock.sh "tests of vendored packages"
	$(CARGO) test --release --locked --quiet --manifest-path vendor/rtc-sctp/Cargo.toml --target-dir target/vendor
	@scripts/clock.sh "tests of the scripts"
	npm --prefix static --silent test
	scripts/node.sh --test --test-timeout=120000 tests/bench/direct/*.test.mjs scripts/vendor/*.test.mjs

browser:
	@scripts/clock.sh "browser tests"
	WINGMAN_BIN_DIR=$(CURDIR)/target/release npm --prefix tests/browser test

bench: bench-relay bench-direct

bench-relay: bench-deps
	target/release/wingman-bench $(BENCH_ARGS)

bench-direct: bench-deps
	WINGMAN_BIN_DIR=$(CURDIR)/target/release scripts/node.sh tests/bench/direct/main.mjs $(BENCH_ARGS)

bench-deps: build-deps
	@scripts/install-bench-deps.sh
	$(CARGO) build --release --locked -p wingman-edge -p wingman-host -p wingman-sample-app -p wingman-bench

fmt:
	$(CARGO) fmt --all

# dist/ is committed, so that `cargo build` needs no Node; a test of static/ rebuilds and compares.
static: deps
	npm --prefix static run --silent build

# It is committed, so that `cargo build` needs neither Node nor the published crate; `make lint` makes it and compares.
vendor: deps
	scripts/node.sh scripts/vendor.mjs

deps: build-deps
	@scripts/clock.sh "installing what tests need"
	@scripts/install-test-deps.sh

build-deps:
	@scripts/install-build-deps.sh
