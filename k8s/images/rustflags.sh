#!/usr/bin/env bash
# Prints flags for rustc (as CARGO_ENCODED_RUSTFLAGS takes them) by which no path of this machine gets into what is built, so that the same
# source gives the same bytes wherever it lies. Arguments are further flags.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
registries="${CARGO_HOME:-$HOME/.cargo}/registry/src"
cd "$root"
# Where packages lie is known once they do.
[ -d "$registries" ] || cargo fetch --quiet --locked >&2
flags=("$@" "--remap-path-prefix=$root=/wicketgate")
for registry in "$registries"/*/; do
  flags+=("--remap-path-prefix=${registry%/}=/crates")
done
# As the standard library names itself where its source is not installed.
commit="$(rustc --version --verbose | sed -n 's/^commit-hash: //p')"
flags+=("--remap-path-prefix=$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$commit")
(IFS=$'\x1f' && printf '%s' "${flags[*]}")
