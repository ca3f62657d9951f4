#!/usr/bin/env bash
# Installs the npm packages of the tests from their lock files: `install.sh [DIR...]`, by default this folder, inspector/
# and ../browser. Instant where node_modules already is what the lock file says.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
[ $# -gt 0 ] || set -- "$here" "$here/inspector" "$here/../browser"
command -v npm >/dev/null 2>&1 || { echo "install: npm is missing: install Node 20 or newer." >&2; exit 1; }

for directory in "$@"; do
  lock="$(sha256sum <"$directory/package-lock.json")"
  exec 9<"$directory/package-lock.json"
  flock 9
  [ "$(cat "$directory/node_modules/.wicketgate-lock" 2>/dev/null)" = "$lock" ] && continue
  echo "install: npm packages of tests/$(basename "$directory") (once)" >&2
  (cd "$directory" && npm ci --loglevel=error >&2) || {
    echo "install: npm could not install what $directory/package-lock.json pins: check the network and the lines above." >&2
    exit 1
  }
  echo "$lock" >"$directory/node_modules/.wicketgate-lock"
done
