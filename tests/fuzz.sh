#!/usr/bin/env bash
# Runs the fuzz targets, SECONDS_EACH (default 10) each, with libFuzzer and the stable toolchain: our code has no unsafe
# code, so no sanitizer is needed, only the coverage that LLVM's SanitizerCoverage pass counts (fuzz/rustc.sh).
#   tests/fuzz.sh [SECONDS_EACH|smoke|build] [TARGET...]
# `smoke` tries 20000 inputs each, the same every time: what it finds is the fault of a change, not of luck. `build` tries none.
# What was learnt stays in target/fuzz/corpus. An input that breaks a target is written to target/fuzz/found and ends
# the run with an error; add a small one to the corpus/ beside the target with the mend.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
PACKAGES=(filter/core/fuzz auth-sidecar/fuzz)
effort="${1:-10}"
shift || true
if [ "$effort" = smoke ]; then
  bounds=(-seed=1 -runs=20000)
  profile=() built=debug
  # What was learnt before counts only where one looks for something new.
  learnt="$(mktemp -d)"
  trap 'rm -rf "$learnt"' EXIT
  effort="20000 inputs"
elif [ "$effort" = build ]; then
  profile=() built=debug bounds=() learnt=""
else
  bounds=("-max_total_time=$effort")
  profile=(--release) built=release
  learnt="$root/target/fuzz/corpus"
  effort="$effort s"
fi

if ! command -v "${CXX:-c++}" >/dev/null; then
  echo "fuzz: a C++ compiler is missing (libFuzzer is C++): install g++ or clang, or set CXX." >&2
  exit 1
fi

# The targets of a package that are asked for: all, where none is named.
targets_of() { # PACKAGE [TARGET...]
  local package="$1" file name
  shift
  for file in "$root/$package"/fuzz_targets/*.rs; do
    name="$(basename "$file" .rs)"
    if [ $# -eq 0 ] || [[ " $* " == *" $name "* ]]; then echo "$name"; fi
  done
}

bins=()
for package in "${PACKAGES[@]}"; do
  for target in $(targets_of "$package" "$@"); do bins+=("--bin=fuzz-$target"); done
done
[ "${#bins[@]}" -gt 0 ] || { echo "fuzz: there is no target of this name: $*" >&2; exit 1; }
echo "fuzz: building ${bins[*]#--bin=fuzz-}" >&2
# With what all other builds choose (the Makefile's NATIVE), so that dependencies are theirs. The core is small, and is asked most.
(cd "$root" && RUSTC_WORKSPACE_WRAPPER="$root/tests/fuzz/rustc.sh" cargo build --quiet --locked "${profile[@]}" \
  --config 'profile.dev.package.wicketgate-core.opt-level=3' --config 'profile.dev.package.wicketgate-auth.opt-level=1' \
  --workspace --exclude wicketgate-filter "${bins[@]}" --test=features)

[ "$effort" != build ] || exit 0

# One target, and then what came of it in one piece: another one runs beside it.
fuzz() { # PACKAGE TARGET
  local said status=0
  mkdir -p "$learnt/$2" "$root/target/fuzz/found"
  said="$("$root/target/$built/fuzz-$2" "${bounds[@]}" -max_len=65536 -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 -artifact_prefix="$root/target/fuzz/found/$2-" \
    "$learnt/$2" "$root/$1/corpus/$2" 2>&1 |
    sed -n -e 's/^stat::number_of_executed_units: /   inputs tried: /p' -e '/ERROR\|panicked\|SUMMARY\|Test unit/p')" || status=$?
  printf 'fuzz: %s for %s\n%s\n' "$2" "$effort" "$said" >&2
  return "$status"
}

# A target has one thread: as many at a time as there are processors. No more are begun when one has failed.
jobs="$(getconf _NPROCESSORS_ONLN)"
running=0 failed=0
for package in "${PACKAGES[@]}"; do
  for target in $(targets_of "$package" "$@"); do
    [ "$failed" = 0 ] || break 2
    fuzz "$package" "$target" &
    running=$((running + 1))
    if [ "$running" -ge "$jobs" ]; then
      wait -n || failed=1
      running=$((running - 1))
    fi
  done
done
while [ "$running" -gt 0 ]; do
  wait -n || failed=1
  running=$((running - 1))
done
exit "$failed"
