#!/usr/bin/env bash
# Obtains wasm-opt, which makes the module smaller: from the npm package `binaryen` (JavaScript, runs on any Node), kept
# under .cache/. Prints its path; run it with `node`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

VERSION=132.0.0
SHA256=6543555fb29bb92548f325c7dc18e9ab7dbb1215edda25993d1e3f71d85b8618
ENTRY="binaryen-$VERSION"

need node "install Node 20 or newer."
if [ ! -s "$CACHE/$ENTRY/wasm-opt" ]; then
  need npm "install Node 20 or newer with npm."
  fresh_dir
  say "fetching binaryen $VERSION (about 23 MB, once)"
  (cd "$WORK" && npm pack --silent "binaryen@$VERSION" >/dev/null 2>"$WORK/npm.log") ||
    fail "npm could not fetch binaryen@$VERSION ($(tail -n 1 "$WORK/npm.log")): check the network and run the command again."
  verify_sha256 "$WORK/binaryen-$VERSION.tgz" "$SHA256"
  mkdir "$WORK/out"
  # The package.json beside it says that it is an ES module.
  tar -xzf "$WORK/binaryen-$VERSION.tgz" -C "$WORK/out" --strip-components=2 package/bin/wasm-opt package/bin/package.json
  put_in_cache out "$ENTRY"
fi
echo "$CACHE/$ENTRY/wasm-opt"
