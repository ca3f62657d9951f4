#!/usr/bin/env bash
# Obtains the translator of Envoy Gateway as a program (tests/k8s/translator), which makes xDS of objects without a cluster: built from
# its Go module, where Go is on PATH. Nothing of the machine's Go set-up changes but its caches. Prints the path of the binary.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

VERSION=1.9.1
ADVICE="install Go 1.26 or newer; only one test needs it, which says so."
source="$ROOT/tests/k8s/translator/main.go"
entry="envoy-gateway-translator-$VERSION-$(sha256sum "$source" | cut -c1-12)"
if [ -x "$CACHE/$entry/translator" ]; then
  echo "$CACHE/$entry/translator"
  exit 0
fi
command -v go >/dev/null 2>&1 || fail "it is built from its Go module, and Go is missing: $ADVICE"

fresh_dir
mkdir -p "$WORK/module" "$WORK/out"
export GOFLAGS="-mod=mod -buildvcs=false"
module="github.com/envoyproxy/gateway"
# With what Envoy Gateway itself is built of, versions and sums.
printf 'module obtain\ngo 1.26\nrequire %s v%s\n' "$module" "$VERSION" >"$WORK/module/go.mod"
say "building the translator of Envoy Gateway $VERSION (ten minutes, once)"
(
  cd "$WORK/module"
  go mod download "$module"
  theirs="$(go list -m -f '{{.Dir}}' "$module")"
  # A name below theirs, so that it may import what is internal there.
  sed -e "s|^module .*|module $module/translator|" -e "0,/^)/s|^)|\t$module v$VERSION\n)|" "$theirs/go.mod" >go.mod
  cp "$theirs/go.sum" go.sum
  chmod u+w go.sum
  cp "$source" main.go
  go build -ldflags='-s -w' -o "$WORK/out/translator" .
) >"$WORK/go.log" 2>&1 || fail "it could not be built ($(tail -n 1 "$WORK/go.log")): $ADVICE"
put_in_cache out "$entry"
say "ready"
echo "$CACHE/$entry/translator"
