# deskwire's commands; `make` alone lists them.
.PHONY: help run cluster test test-server test-slow test-redis test-worlds test-firefox test-tls test-unit test-metrics test-proxy test-image check deny static dist test-dist image conformance simulate simulate-nodes sabotage kill fuzz bench bench-awake bench-growth bench-check bench-cluster bench-honest soak screenshots clean
.DEFAULT_GOAL := help
CARGO ?= cargo
FUZZ_SECONDS ?= 60
SEEDS ?= 20000
STEPS ?= 150
FIRST_SEED ?= 0
KILLS ?= 300
CYCLES ?= 1000000
ROUNDS ?= 5
NODES ?= 2
# What the static binary is for. A machine of another kind needs a linker: Debian's gcc-aarch64-linux-gnu.
TARGET ?= $(shell uname -m)-unknown-linux-musl
# The cargo profile of the static binary: release, or small, which trades speed for size.
PROFILE ?= release
STATIC = target/$(TARGET)/$(PROFILE)/deskwire
ifneq ($(shell uname -m),aarch64)
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER ?= aarch64-linux-gnu-gcc
export CC_aarch64_unknown_linux_musl ?= aarch64-linux-gnu-gcc
endif
# The features of the static binary in addition to the default ones. The image has TLS, a part of which is in C.
FEATURES ?=
image test-image: FEATURES = tls
# The binary names neither this folder nor the user's home, so that a build in another folder gives the same bytes.
REMAP = --remap-path-prefix=$(CURDIR)=/deskwire --remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}=/cargo
REMAP_C = -ffile-prefix-map=$(CURDIR)=/deskwire -ffile-prefix-map=$${CARGO_HOME:-$$HOME/.cargo}=/cargo
# Tests spend most of their time waiting, so one more runs at once than there are cores.
test test-server: export RUST_TEST_THREADS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
# Every test crate except the browser's and that of TLS.
SERVER_TESTS = $(filter-out browser tls,$(patsubst tests/%.rs,%,$(patsubst %/main.rs,%.rs,$(wildcard tests/*.rs tests/*/main.rs))))

# Socket tests that also run over TLS: those that need neither their own address nor a log line in a certain place. Three
# are skipped. One needs two connections to be read in the order in which they were written, which the tunnel may change.
# One checks that the desk's own address is closed, but the tunnel still listens. One counts the desk's descriptors, and the
# tunnel's first connection may still have one.
OVER_TLS = closing:: floods:: handshake:: http:: messages:: presence:: queue:: slow_readers:: texts:: tickets:: wire:: \
	--skip a_message_and_a_close_read_right_after_the_users_end \
	--skip at_the_end_both_listeners_are_closed --skip a_connection_that_ends_without_a_byte_is_forgotten

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

run: ## build the release and run the desk; prints the links of both pages (ARGS='--listen ...')
	@$(CARGO) run --release --quiet -- $(ARGS)

cluster: ## a redis-server and two nodes of one desk, with the links to both; Ctrl-C ends all
	@$(CARGO) build --release --quiet
	@examples/host/cluster target/release/deskwire

test: ## all tests: State, sockets, simulation, and both pages in a real Chromium
	$(CARGO) test

test-server: ## the same without the browser
	$(CARGO) test --lib --bins --examples $(SERVER_TESTS:%=--test %)

test-firefox: ## a chat from start to end in a real Firefox
	$(CARGO) test --test browser -- --ignored firefox

test-proxy: ## the desk behind nginx and Caddy, as examples/host configures them (apt-get install nginx caddy)
	$(CARGO) test --test browser -- --ignored reverse_proxy

test-image: image ## the image: as another user, read-only, without a network but loopback, stopped as process 1
	tests/image/run $(PROFILE)

.PHONY: test-arm
test-arm: ## the static binary for ARM: pages, tickets and chats, under qemu on other machines (qemu-user-static)
	$(MAKE) static TARGET=aarch64-unknown-linux-musl FEATURES=tls
	TEST_DESK="qemu-aarch64-static target/aarch64-unknown-linux-musl/release/deskwire" \
		$(CARGO) test --test server -- http:: messages:: tickets:: queue:: handshake::

test-dist: dist ## check that a build in another folder gives the same bytes
	tests/image/rebuild $(TARGET) $(STATIC) $(PROFILE) $(FEATURES)

test-tls: ## TLS in the binary: its own tests, in a real browser too, and the socket tests over TLS
	$(CARGO) test --features tls --lib --test documents --test tls
	$(CARGO) test --features tls --test cluster tls::
	$(CARGO) test --features tls --test browser tls::
	TEST_TLS=1 $(CARGO) test --features tls --test server -- $(OVER_TLS)

check: ## formatting, clippy and the documentation, all without a warning
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --quiet -- -D warnings
	$(CARGO) clippy --all-targets --all-features --quiet -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps --quiet
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(MAKE) --no-print-directory deny; \
		else echo 'dependencies are not checked: cargo install --locked cargo-deny'; fi

deny: ## licences, sources, bans and, if github.com can be reached, advisories of all dependencies (cargo install cargo-deny)
	$(CARGO) deny --all-features check --hide-inclusion-graph licenses bans sources
	@if $(CARGO) deny fetch db >/dev/null 2>&1; then $(CARGO) deny --all-features --offline check advisories; \
		else echo 'advisories are not checked: their database at github.com cannot be reached from here'; fi

static: ## the static binary, for any Linux with this processor, or with TARGET's (rustup target add TARGET)
	CFLAGS="$(REMAP_C)" RUSTFLAGS="$(REMAP)" \
		$(CARGO) build --profile $(PROFILE) --locked --target $(TARGET) $(FEATURES:%=--features %)

dist: static ## the static binary, its checksum and its SBOM in target/dist (cargo install cargo-cyclonedx)
	tests/image/dist $(TARGET) $(STATIC)

image: static ## the container image deskwire, from the static binary, by buildah, podman or docker
	tests/image/build $(STATIC)

conformance: ## Autobahn's 301 cases without compression, through examples/echo.rs
	@tests/conformance/run

test-unit: ## the systemd units: syntax, exposure level, which is 0.5 (1.5 fails), sockets as systemd passes them in
	@directory=$$(mktemp -d) && trap "rm -r $$directory" EXIT && cp examples/host/deskwire*.s* $$directory && \
		sed -i 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' $$directory/deskwire.service && \
		systemd-analyze verify --man=no $$directory/deskwire.service $$directory/*.socket && \
		systemd-analyze security --offline=true --no-pager --threshold=15 $$directory/deskwire.service
	$(CARGO) test --test server -- --ignored systemd_passes_in_both_sockets

test-metrics: ## check the metrics of a running desk and the alert rules with promtool (Debian: prometheus)
	$(CARGO) test --test documents -- --ignored promtool

simulate: ## a simulated desk, compared with a model: SEEDS=20000 worlds of STEPS=150, from FIRST_SEED=0
	SIM_SEEDS=$(SEEDS) SIM_STEPS=$(STEPS) SIM_FIRST_SEED=$(FIRST_SEED) \
		$(CARGO) test --release --test simulation -- --nocapture

simulate-nodes: ## two to four simulated nodes on a log that fails as Redis can: SEEDS=20000 worlds, from FIRST_SEED=0
	SIM_SEEDS=$(SEEDS) SIM_FIRST_SEED=$(FIRST_SEED) \
		$(CARGO) test --release --lib all_nodes_have_the_same_state -- --nocapture

test-worlds: ## 1,000 more simulated worlds, of the build that make test has made
	SIM_SEEDS=1000 SIM_FIRST_SEED=1000 $(CARGO) test --test simulation every_promise -- --nocapture

sabotage: ## plant bugs, one at a time, each of which has to be found (SABOTAGE=hub: only those of the hub)
	$(CARGO) test --test simulation -- --ignored --nocapture sabotage

.PHONY: mutants
mutants: ## each mutant of one file against the unit tests and the simulation: FILE=src/state/restart.rs (cargo install cargo-mutants)
	$(CARGO) mutants --file $(FILE) --output target --cargo-arg=--lib --cargo-arg=--test=simulation

test-slow: ## the one test that takes 21 s: a peer that answers no ping is closed
	$(CARGO) test --test server -- --ignored a_half_open_connection

test-redis: ## nodes of one desk and a real Redis, with the tests that take 10 s to a minute (redis-server)
	$(CARGO) test --test cluster
	$(CARGO) test --test cluster -- --ignored frozen:: stories::

kill: ## KILLS=300 kills in the middle of traffic: of a desk with a journal; of nodes, and of their Redis (redis-server)
	KILLS=$(KILLS) $(CARGO) test --release --test server --test cluster -- --ignored --nocapture --test-threads 1 hundreds_of_kills

fuzz: ## each fuzz target for FUZZ_SECONDS=60 (cargo install cargo-fuzz)
	set -e; for target in connection state command fields journal resp; do \
		mkdir -p tests/fuzz/corpus/$$target tests/fuzz/seeds/$$target; \
		words=tests/fuzz/dictionaries/$$target; \
		$(CARGO) fuzz run -s none --fuzz-dir tests/fuzz $$target tests/fuzz/corpus/$$target tests/fuzz/seeds/$$target \
			-- $$(test -f $$words && echo -dict=$$words) -max_total_time=$(FUZZ_SECONDS) -max_len=4096; done

bench: ## deskwire compared with its peers, ROUNDS=5: a table and a picture in target/bench
	$(CARGO) bench --bench desk -- compare --rounds $(ROUNDS)

bench-awake: ## the latencies at 20,000 messages/s while no core may sleep; writes benches/results/awake.md
	$(CARGO) bench --bench desk -- compare --rounds $(ROUNDS) --workloads rate-20k --awake
	cp target/bench/awake.md benches/results/awake.md

bench-growth: ## what a message, a pick, a connect costs at a small desk and at a large one
	$(CARGO) bench --bench desk -- growth

bench-check: ## instructions and allocations of a fixed script against those recorded, by valgrind; 5 % more fails
	$(CARGO) bench --bench desk -- check

bench-cluster: ## chats over NODES=2 nodes and a redis-server: CPU a message, entries a second; writes benches/results/cluster-NODES.txt (redis-server, python3)
	@$(CARGO) build --release --quiet
	python3 benches/cluster/load.py target/release/deskwire $(NODES) > target/cluster.txt
	@cp target/cluster.txt benches/results/cluster-$(NODES).txt
	@cat target/cluster.txt

bench-honest: ## the round trips of honest people while others attack (ARGS='--only fan-out --rounds 1', '--list', '--check')
	$(CARGO) bench --bench desk -- honest --rounds $(ROUNDS) $(ARGS)

.PHONY: bench-size
bench-size: ## how large the binary is; writes benches/results/size.md
	@$(CARGO) build --release --locked --quiet
	@printf '| profile | bytes of the binary |\n| --- | ---: |\n| release | %s |\n' $$(wc -c < target/release/deskwire) \
		| tee benches/results/size.md

.PHONY: bench-journal
bench-journal: ## what a journal costs: messages with each way of syncing, restarts, the file; writes benches/results/journal.md
	$(CARGO) bench --bench desk -- journal

.PHONY: bench-tls
bench-tls: ## what TLS costs in the desk, and in nginx in front (Debian: nginx, openssl); writes benches/results/tls.md
	$(CARGO) bench --features tls --bench desk -- tls
	cp target/bench/tls.md benches/results/tls.md

.PHONY: bench-pages
bench-pages: ## how long the pages take until they can be used on a slow line, and what a key, a message, a board cost them
	BENCH_PAGES_FILE=$(CURDIR)/benches/results/pages.md $(CARGO) test --test browser -- --ignored measure::
	@cat benches/results/pages.md

soak: ## CYCLES=1000000 users connect, chat and leave: no descriptor and no memory may leak; writes benches/results/soak.md
	$(CARGO) bench --bench desk -- soak --cycles $(CYCLES)

screenshots: ## take the pictures of README again
	SCREENSHOTS_DIR=$(CURDIR)/tests/browser/pictures $(CARGO) test --test browser -- --ignored --exact screenshots::screenshots

.PHONY: screenshots-all
screenshots-all: ## both pages in every state, at four widths, light and dark, in target/screenshots
	SCREENSHOTS_DIR=$(CURDIR)/target/screenshots $(CARGO) test --test browser -- --ignored screenshots_of

clean: ## remove what was built
	$(CARGO) clean
