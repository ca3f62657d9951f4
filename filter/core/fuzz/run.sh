#!/usr/bin/env bash
# Runs every fuzz target, SECONDS_EACH (default 10) each, with libFuzzer and the stable toolchain: the core has no unsafe
# code, so no sanitizer is needed, only the coverage that LLVM's SanitizerCoverage pass counts.
#   filter/core/fuzz/run.sh [SECONDS_EACH] [TARGET...]
# What was learnt stays in target/fuzz/corpus. An input that breaks a target is written to target/fuzz/found and ends
# the run with an error; add a small one to corpus/ with the mend.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root="$(cd ../../.. && pwd)"
seconds="${1:-10}"
shift || true
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(strict jsonrpc sse list config token proof headers exchange)

if ! command -v "${CXX:-c++}" >/dev/null; then
  echo "fuzz: a C++ compiler is missing (libFuzzer is C++): install g++ or clang, or set CXX." >&2
  exit 1
fi

# What cargo-fuzz sets, without its nightly-only address sanitizer. For the host alone: with --target, build scripts
# and procedural macros are built without it.
host="$(rustc --version --verbose | sed -n 's/^host: //p')"
flags="--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
  flags="$flags -Cllvm-args=-sanitizer-coverage-$option"
done
echo "fuzz: building ${targets[*]}" >&2
RUSTFLAGS="$flags" cargo build --quiet --release --locked --target "$host" --target-dir "$root/target/fuzz/build"

for target in "${targets[@]}"; do
  mkdir -p "$root/target/fuzz/corpus/$target" "$root/target/fuzz/found"
  echo "fuzz: $target for $seconds s" >&2
  "$root/target/fuzz/build/$host/release/$target" -max_total_time="$seconds" -max_len=65536 -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 -artifact_prefix="$root/target/fuzz/found/$target-" \
    "$root/target/fuzz/corpus/$target" "corpus/$target" 2>&1 |
    sed -n -e 's/^stat::number_of_executed_units: /   inputs tried: /p' -e '/ERROR\|panicked\|SUMMARY\|Test unit/p' >&2
done
