# deskwire's errands; `make` alone lists them.
.PHONY: help run test test-server check bench conformance simulate screenshots clean
.DEFAULT_GOAL := help
CARGO ?= cargo

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

run: ## build the release and run the desk; prints the links of both pages (ARGS='--listen ...')
	@$(CARGO) run --release --quiet -- $(ARGS)

test: ## all tests: State, sockets, simulation, and both pages in a real Chromium
	$(CARGO) test

check: ## formatting, clippy and the documentation, all without a warning
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps --quiet

clean: ## remove what was built
	$(CARGO) clean
