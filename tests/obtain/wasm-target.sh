#!/usr/bin/env bash
# Obtains the WebAssembly target of the Rust toolchain in use (wasm32-wasip1). Prints its library directory.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

TARGET=wasm32-wasip1
need rustc "install Rust through rustup (https://rustup.rs)."

cd "$ROOT"
libdir="$(rustc --print target-libdir --target "$TARGET")"
if [ ! -d "$libdir" ]; then
  need rustup "this Rust has no $TARGET library, and only rustup can add it: install Rust through rustup (https://rustup.rs)."
  say "adding the Rust target $TARGET (once)"
  rustup --quiet target add "$TARGET" >&2 ||
    fail "rustup could not add $TARGET: check the network, then run \`rustup target add $TARGET\`."
fi
echo "$libdir"
