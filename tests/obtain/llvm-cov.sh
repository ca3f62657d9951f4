#!/usr/bin/env bash
# Obtains cargo-llvm-cov, which measures coverage, and the LLVM tools of the Rust toolchain in use. Built from the
# registry's source at a pinned version (Cargo checks its checksum), kept under .cache/. Prints the path of the binary.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

VERSION=0.9.1

need cargo "install Rust through rustup (https://rustup.rs)."
cd "$ROOT"
host="$(rustc --version --verbose | sed -n 's/^host: //p')"
if [ ! -x "$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-cov" ]; then
  need rustup "the LLVM tools of the Rust toolchain are missing, and only rustup can add them: install Rust through rustup."
  say "adding the LLVM tools (once)"
  rustup --quiet component add llvm-tools >&2 ||
    fail "rustup could not add llvm-tools: check the network, then run \`rustup component add llvm-tools\`."
fi

entry="llvm-cov-$VERSION"
if [ ! -x "$CACHE/$entry/bin/cargo-llvm-cov" ]; then
  fresh_dir
  say "building cargo-llvm-cov $VERSION (once; a minute or two)"
  cargo install --quiet --locked --version "$VERSION" --root "$WORK/out" --target-dir "$WORK/build" cargo-llvm-cov >&2 ||
    fail "cargo could not build cargo-llvm-cov $VERSION: see the lines above."
  put_in_cache out "$entry"
  say "ready"
fi
echo "$CACHE/$entry/bin/cargo-llvm-cov"
