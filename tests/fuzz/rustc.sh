#!/usr/bin/env bash
# What cargo calls in place of the compiler for packages of this workspace when fuzz targets are built: those that are fuzzed are
# told to count what they run (SanitizerCoverage, which is LLVM's), as cargo-fuzz has it, without its nightly-only sanitizers.
# Dependencies are those of every other build.
set -euo pipefail
fuzzed=(--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks)
for option in level=4 inline-8bit-counters pc-table trace-compares; do
  fuzzed+=("-Cllvm-args=-sanitizer-coverage-$option")
done
case " $* " in
*" --crate-name wicketgate_core "* | *" --crate-name wicketgate_auth "* | *" --crate-name fuzz_"*) exec "$@" "${fuzzed[@]}" ;;
*) exec "$@" ;;
esac
