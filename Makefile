# Gyro: the two commands a newcomer needs are `make quickstart` and `make test`.
SWIFT ?= swift
# Tests look inside modules, so everything is compiled for testing, once: by one flag of ours, for `swift
# test` would put its own in another place, and the compiler would be run again for everything.
BUILD = -c release -Xswiftc -enable-testing
TEST = $(BUILD) --disable-testable-imports
GYRO = .build/release/gyro

.PHONY: quickstart test build dependencies format lint bench fuzz docs verify-env clean help

help: ## List the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

quickstart: build ## Build, then take a small Llama from float to INT4 by rotations and training
	$(GYRO) run Recipes/quickstart.yaml --output runs/quickstart --fresh

test: dependencies ## Run the test suite
	$(SWIFT) test $(TEST)

test-openblas: dependencies ## Run the test suite with OpenBLAS as the only matrix library
	$(SWIFT) test $(TEST) --scratch-path .build/openblas --disable-default-traits

build: dependencies ## Build the command line
	$(SWIFT) build $(BUILD) --product gyro

dependencies: ## Install the system libraries that are missing
	@sh .ci/dependencies

format: ## Format the sources
	$(SWIFT) format --in-place --parallel --recursive Package.swift Sources Tests Fuzzing/Package.swift Fuzzing/Sources

lint: ## Check the format of the sources
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests Fuzzing/Package.swift Fuzzing/Sources

bench: build ## Measure speed on this machine
	$(GYRO) bench train
	$(GYRO) bench matmul

fuzz: ## Fuzz every reader of files for a minute each
	cd Fuzzing && $(SWIFT) build -c release --sanitize fuzzer --product gyro-fuzz
	@for target in $$(ls Fuzzing/Corpus); do \
	  mkdir -p Fuzzing/.build/found/$$target && \
	  Fuzzing/.build/release/gyro-fuzz $$target -max_total_time=60 -timeout=20 \
	    -artifact_prefix=Fuzzing/$$target- Fuzzing/.build/found/$$target Fuzzing/Corpus/$$target || exit 1; \
	done

verify-env: ## Install the runtimes that exports are checked with, from Python's package index, into .build/runtimes
	python3 -m venv .build/runtimes
	.build/runtimes/bin/pip install -r Benchmarks/peers/runtimes.txt

docs: ## Build the documentation
	sh .ci/documentation

clean: ## Remove build products and runs
	rm -rf .build runs
