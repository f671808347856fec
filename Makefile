# make demo    two phones call each other on this machine; ARGS="--json" and the like are handed on
# make test    formatting, lints, all tests; .ci/run runs this
# make interop 100 calls of every SIPp scenario in scenarios/interop (INTEROP_CALLS)
# make bench   the benchmarks
# make load    what a call costs the callee, beside SIPp and pjsip-perf (PJSIP_PERF names it, if it is not on PATH)
# make flood   a call in progress while somebody floods a phone, for FLOOD_SECONDS (300); the memory curve in flood.csv
# make fuzz    every fuzz target for FUZZ_SECONDS (120)
#
# Each installs what is missing first and says so (scripts/deps).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
# A toolchain that scripts/deps installs is found without a new shell.
export PATH := $(HOME)/.cargo/bin:$(PATH)
FUZZ_SECONDS ?= 120
FLOOD_SECONDS ?= 300

INTEROP_CALLS ?= 100

.PHONY: demo test interop bench load flood fuzz

# The development profile is half optimised and builds in a fraction of the time that --release takes.
demo:
	@scripts/deps build
	@echo "building keyphone; the first time takes some minutes"
	@cargo build --locked --quiet -p keyphone-cli
	@cargo run --locked --quiet -p keyphone-cli -- demo $(ARGS)

test:
	@scripts/deps build lint peers
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo test --locked --workspace

interop:
	@scripts/deps build peers
	KEYPHONE_INTEROP=$(INTEROP_CALLS) cargo test --locked --workspace --test interop -- --test-threads=8

bench:
	@scripts/deps build
	cargo bench --locked --workspace

load:
	@scripts/deps build peers
	KEYPHONE_LOAD=1 cargo bench --locked --workspace --bench load

flood:
	@scripts/deps build
	KEYPHONE_FLOOD_SECONDS=$(FLOOD_SECONDS) KEYPHONE_FLOOD_CSV=$(CURDIR)/flood.csv \
		cargo test --locked --workspace --test flood -- --nocapture

# libFuzzer needs -Z flags, which a stable toolchain takes only when told that it is building itself. What a target finds
# belongs into fuzz/regressions/<target>, where `make test` replays it.
fuzz:
	@scripts/deps build fuzz
	@cd fuzz && export RUSTC_BOOTSTRAP=1 && targets=$$(cargo fuzz list) && for target in $$targets; do \
		echo "fuzzing $$target for $(FUZZ_SECONDS) s"; \
		mkdir -p "corpus/$$target" "regressions/$$target"; \
		cargo fuzz run "$$target" "corpus/$$target" "seeds/$$target" "regressions/$$target" -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1; \
	done
