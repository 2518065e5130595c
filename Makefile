# One target directory, one profile, one set of features: what `build` compiles, `test` and `check` reuse.
CARGO_FLAGS := --release --locked --features cli,mimalloc
FUZZ_SECONDS ?= 600
PYTHON := .venv/bin/python
PYTHON_SOURCES := tests benches fuzz bindings
GO_MODULES := bindings/go examples/go benches/peers/go
# Go finds the library where install-prefix puts it.
GO := PKG_CONFIG_PATH=$(CURDIR)/target/prefix/lib/pkgconfig LD_LIBRARY_PATH=$(CURDIR)/target/prefix/lib go
# What `make test` runs under tools that watch memory, and proves that they see something.
MEMORY_SHORT := capi_(planted|abi_1|verify)|cpp_17.(memory|the_program|moved)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup build install-prefix header check check-go check-java test test-rust test-c test-go test-java
.PHONY: test-valgrind test-mutants asan fuzz fuzz-short demo bench-compare chaos

help: ## show these lines
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

setup: ## install what tests need and this machine lacks (Debian packages, Python environment)
	scripts/setup

build: ## compile the library and the command-line tool
	cargo build $(CARGO_FLAGS)

install-prefix: build ## install library, headers and program into target/prefix, for tests of C, C++, Go and Java
	cmake --log-level=WARNING -S . -B target/cmake -DCMAKE_BUILD_TYPE=RelWithDebInfo
	cmake --build target/cmake --target arrowredis_stripped
	cmake --install target/cmake --prefix target/prefix >target/cmake/install.log

header: build ## make include/arrowredis.h and the list of its symbols again from src/ffi/
	ARROWREDIS_UPDATE=1 cargo test $(CARGO_FLAGS) --test it header
	ARROWREDIS_UPDATE=1 tests/capi/check-library target/release/libarrowredis.so

check: setup check-go check-java ## formatting, lints, dependencies; changes nothing
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	cargo clippy $(CARGO_FLAGS) --all-targets --no-default-features -- -D warnings
	scripts/check-dependencies
	scripts/test-mutants --check
	$(PYTHON) -m ruff check $(PYTHON_SOURCES)
	$(PYTHON) -m ruff format --check $(PYTHON_SOURCES)
	shellcheck --external-sources $$(scripts/shell-scripts)

check-go: install-prefix
	@unformatted=$$(gofmt -l $(GO_MODULES)); test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }
	@for module in $(GO_MODULES); do (set -x; cd $$module && $(GO) vet ./...) || exit 1; done

check-java:
	scripts/maven java-check spotless:check

test: setup build test-rust test-c test-go test-java fuzz-short ## everything: Rust, C, C++, Go and Java tests with real servers, then a short run of every fuzz target

test-rust: setup ## the Rust tests alone
	cargo test $(CARGO_FLAGS) --no-fail-fast

test-c: setup install-prefix ## the tests of C and C++ alone, a part of them under valgrind and AddressSanitizer, too
	cmake --log-level=WARNING -S . -B target/cmake -DARROWREDIS_BUILD_TESTS=ON
	cmake --build target/cmake
	cd target/cmake && ctest --no-tests=error --output-on-failure -j2
	scripts/test-memory valgrind -R '$(MEMORY_SHORT)'
	scripts/test-memory asan -R '$(MEMORY_SHORT)'

test-valgrind: setup ## all tests of C and C++ under valgrind
	scripts/test-memory valgrind

test-mutants: setup ## break each rule of the C header by a patch: the test that the patch names must fail
	scripts/test-mutants

asan: setup ## the same under AddressSanitizer, then with the Rust code instrumented, too
	scripts/test-memory asan
	scripts/test-memory asan-rust

test-go: setup install-prefix ## the tests of the Go package and examples alone, with the race detector
	@status=0; for module in $(GO_MODULES); do \
		(set -x; cd $$module && $(GO) test -race -count=1 -v ./...) || status=1; done; exit $$status

test-java: setup install-prefix ## the tests of the Java library and examples alone, on JDK 17 and on JDK 22 or newer
	scripts/maven java-test -fae package

fuzz: ## fuzz every parser for FUZZ_SECONDS each (600)
	scripts/fuzz $(FUZZ_SECONDS)

fuzz-short:
	scripts/fuzz 30

chaos: setup ## the long form of the fault tests, whose lines fill docs/reliability.md
	ARROWREDIS_CHAOS=1 cargo test $(CARGO_FLAGS) --test it -- --nocapture --test-threads=1 chaos:: faults::

demo: build ## generate, split, read and verify a dataset, without any server
	target/release/arrowredis demo

bench-compare: install-prefix setup ## compare with clients written by hand, in interleaved runs: writes table and chart
	benches/compare --markdown benches/README.md --chart docs/comparison.svg
