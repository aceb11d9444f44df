# The front door. `make serve` to use infe, `make test` to change it; `make help` lists the rest.
SHELL := /bin/bash
# Clones of this repository share compiled objects, wherever they lie.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1
BUILD := build/release
INFE := $(BUILD)/infe
JOBS ?= $(shell nproc)
MODELS ?= infe-pulse infe-titan

.PHONY: help serve build quick test test-unit test-api test-service test-web test-fleet test-package test-clients package asan tsan fuzz fuzz-long bench bench-peers format lint clean setup

help: ## what this file can do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# Who only serves gets the preset `quick`, which is built fresh in a third of the time; where there is a
# release build already it is brought up to date instead.
SERVED := $(if $(wildcard $(BUILD)/build.ninja),build,quick)

serve: ## set everything up, then serve infe-pulse on 127.0.0.1:8080 and print how to call it
	@tools/setup build
	@INFE=build/infe INFE_BUILD="$(MAKE) --no-print-directory $(SERVED)" MODELS="$(MODELS)" tools/serve

build: ## the release binary, build/release/infe (build/infe leads to it)
	@tools/setup build
	@mkdir -p build
	@[ -f $(BUILD)/build.ninja ] || cmake --preset release > $(BUILD).log 2>&1 || cat $(BUILD).log
	@ninja -C $(BUILD) -j $(JOBS) infe
	@ln -sfn release/infe build/infe

# Configured each time: which sources go together depends on what stands in them.
quick: ## the same binary, several sources at a time: for a first build (build/quick/infe)
	@tools/setup build
	@mkdir -p build
	@cmake --preset quick > build/quick.log 2>&1 || { cat build/quick.log; exit 1; }
	@ninja -C build/quick -j $(JOBS) infe
	@ln -sfn quick/infe build/infe

test: ## set everything up, then every test: unit, golden, API, tidy, conformance
	@tools/setup test
	@tools/test all

test-unit: ## unit tests and tidy only
	@tools/setup build
	@tools/test unit

test-api: ## the official clients against the real server only
	@tools/setup test
	@tools/test api

test-service: ## abuse, load and overload of the real server, in their short forms
	@tools/setup test
	@tools/test service

test-web: ## the playground in a browser against the real server (skipped where Chromium or Node is missing)
	@tools/setup test
	@tools/test web

test-fleet: ## infe behind proxies, routers and orchestrators: installs them into a cache folder (gigabytes)
	@tools/setup test-fleet
	@tools/test fleet

test-package: ## the packages in fresh Debian trees without compilers, beside what lintian, twine and auditwheel say
	@tools/setup test-package
	@tools/test package

package: build ## the release as a tarball, a .deb and a Python wheel, into build/package
	@tools/setup package
	@tools/package

test-clients: ## real clients of several languages, each installed into an environment of its own, against the real server
	@tools/setup test
	@tools/test clients

asan: ## unit and API tests under the address and undefined-behaviour sanitizers
	@tools/setup test
	@tools/test sanitizer asan

tsan: ## unit and API tests under the thread sanitizer
	@tools/setup test
	@tools/test sanitizer tsan

fuzz: ## build the libFuzzer targets into build/fuzz (run one: build/fuzz/src/NAME tests/fuzz/NAME)
	@tools/setup test
	@cmake --preset fuzz > /dev/null && ninja -C build/fuzz -j $(JOBS)

# Seconds that each target runs.
FUZZ_SECONDS ?= 600
fuzz-long: fuzz ## every libFuzzer target for FUZZ_SECONDS (600), one after another; findings in build/fuzz/found
	@tools/fuzz_long build/fuzz $(FUZZ_SECONDS)

bench: build ## our own benchmarks on the models present
	@INFE=$(INFE) tools/bench

bench-peers: build ## the same work on llama.cpp and ik_llama.cpp, interleaved, into build/bench-peers.md
	@INFE=$(INFE) python3 bench/peers/run.py --out build/bench-peers.md

format: ## clang-format every source in place
	@git ls-files 'src/*.h' 'src/*.cc' 'tests/*.cc' 'bench/*.cc' | xargs clang-format-19 -i

lint: ## formatting, structure and headers that compile alone, as checks
	@git ls-files 'src/*.h' 'src/*.cc' 'tests/*.cc' 'bench/*.cc' | xargs clang-format-19 --dry-run -Werror
	@python3 tools/tidy
	@mkdir -p build
	@[ -f $(BUILD)/build.ninja ] || cmake --preset release > $(BUILD).log 2>&1 || cat $(BUILD).log
	@ninja -C $(BUILD) -j $(JOBS) lone_headers

setup: ## install what building and testing need
	@tools/setup test

clean: ## remove build/
	@rm -rf build
