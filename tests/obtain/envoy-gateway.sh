#!/usr/bin/env bash
# Obtains Envoy Gateway itself (`envoy-gateway server`), which runs without a cluster where files say what is in it: built from its Go
# module, where Go is on PATH. Nothing of the machine's Go set-up changes but its caches. Prints the path of the binary.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

VERSION=1.9.1
ADVICE="install Go 1.26 or newer; only one test needs it, which says so."
entry="envoy-gateway-$VERSION"
if [ -x "$CACHE/$entry/envoy-gateway" ]; then
  echo "$CACHE/$entry/envoy-gateway"
  exit 0
fi
command -v go >/dev/null 2>&1 || fail "it is built from its Go module, and Go is missing: $ADVICE"

fresh_dir
mkdir -p "$WORK/module" "$WORK/out"
export GOFLAGS="-mod=mod -buildvcs=false"
module="github.com/envoyproxy/gateway"
# With what Envoy Gateway itself is built of, versions and sums.
printf 'module obtain\ngo 1.26\nrequire %s v%s\n' "$module" "$VERSION" >"$WORK/module/go.mod"
say "building Envoy Gateway $VERSION (ten minutes, once)"
(
  cd "$WORK/module"
  go mod download "$module"
  theirs="$(go list -m -f '{{.Dir}}' "$module")"
  sed -e "s|^module .*|module obtain|" -e "0,/^)/s|^)|\t$module v$VERSION\n)|" "$theirs/go.mod" >go.mod
  cp "$theirs/go.sum" go.sum
  chmod u+w go.sum
  go build -ldflags='-s -w' -o "$WORK/out/envoy-gateway" "$module/cmd/envoy-gateway"
) >"$WORK/go.log" 2>&1 || fail "it could not be built ($(tail -n 1 "$WORK/go.log")): $ADVICE"
put_in_cache out "$entry"
say "ready"
echo "$CACHE/$entry/envoy-gateway"
