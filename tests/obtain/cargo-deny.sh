#!/usr/bin/env bash
# Obtains cargo-deny, which checks licences, sources and who may depend on what (deny.toml). Built from the registry's
# source at a pinned version (Cargo checks its checksum), kept under .cache/. Prints the path of the binary.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

VERSION=0.18.9

need cargo "install Rust through rustup (https://rustup.rs)."
entry="deny-$VERSION"
if [ ! -x "$CACHE/$entry/bin/cargo-deny" ]; then
  fresh_dir
  say "building cargo-deny $VERSION (once; about ten minutes on two cores)"
  cargo install --quiet --locked --version "$VERSION" --root "$WORK/out" --target-dir "$WORK/build" cargo-deny >&2 ||
    fail "cargo could not build cargo-deny $VERSION: see the lines above."
  put_in_cache out "$entry"
  say "ready"
fi
echo "$CACHE/$entry/bin/cargo-deny"
