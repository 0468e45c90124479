# Gyro: the two commands a newcomer needs are `make quickstart` and `make test`.
SWIFT ?= swift
# Tests look inside modules, so everything is compiled for testing, once.
BUILD = -c release -Xswiftc -enable-testing
GYRO = .build/release/gyro

.PHONY: quickstart test build dependencies format lint bench docs clean help

help: ## List the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

quickstart: build ## Build, then take a small Llama from float to INT4 by rotations and training
	$(GYRO) run Recipes/quickstart.yaml --output runs/quickstart --fresh

test: dependencies ## Run the test suite
	$(SWIFT) test $(BUILD)

test-openblas: dependencies ## Run the test suite with OpenBLAS as the only matrix library
	$(SWIFT) test $(BUILD) --scratch-path .build/openblas --disable-default-traits

build: dependencies ## Build the command line
	$(SWIFT) build $(BUILD) --product gyro

dependencies: ## Install the system libraries that are missing
	@sh .ci/dependencies

format: ## Format the sources
	$(SWIFT) format --in-place --parallel --recursive Package.swift Sources Tests

lint: ## Check the format of the sources
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests

bench: build ## Measure speed on this machine
	$(GYRO) bench train
	$(GYRO) bench matmul

docs: ## Build the documentation
	sh .ci/documentation

clean: ## Remove build products and runs
	rm -rf .build runs
