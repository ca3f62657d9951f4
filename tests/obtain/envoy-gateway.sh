#!/usr/bin/env bash
# Obtains Envoy Gateway, built from its Go module, where Go is on PATH; nothing of the machine's Go set-up changes but its caches. Prints
# the path of the binary.
#
#   envoy-gateway.sh             itself (`envoy-gateway server`), which runs without a cluster where files say what is in it
#   envoy-gateway.sh translator  its translator as a program (tests/k8s/translator), which makes xDS of objects
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

VERSION=1.9.1
ADVICE="install Go 1.26 or newer; only one test needs it, which says so."
module="github.com/envoyproxy/gateway"
source="$ROOT/tests/k8s/translator/main.go"
# What is built is a package of a module of ours, which is made of what Envoy Gateway itself is made of, versions and sums.
case "${1:-}" in
  "") program=envoy-gateway own=obtain package="$module/cmd/envoy-gateway" entry="envoy-gateway-$VERSION" ;;
  # A name below theirs, so that it may import what is internal there.
  translator) program=translator own="$module/translator" package=. entry="envoy-gateway-translator-$VERSION-$(sha256sum "$source" | cut -c1-12)" ;;
  *) fail "there is no $1 of Envoy Gateway: say translator, or nothing." ;;
esac
if [ -x "$CACHE/$entry/$program" ]; then
  echo "$CACHE/$entry/$program"
  exit 0
fi
command -v go >/dev/null 2>&1 || fail "it is built from its Go module, and Go is missing: $ADVICE"

fresh_dir
mkdir -p "$WORK/module" "$WORK/out"
export GOFLAGS="-mod=mod -buildvcs=false"
printf 'module obtain\ngo 1.26\nrequire %s v%s\n' "$module" "$VERSION" >"$WORK/module/go.mod"
say "building $program of Envoy Gateway $VERSION (ten minutes, once)"
(
  cd "$WORK/module"
  go mod download "$module"
  theirs="$(go list -m -f '{{.Dir}}' "$module")"
  sed -e "s|^module .*|module $own|" -e "0,/^)/s|^)|\t$module v$VERSION\n)|" "$theirs/go.mod" >go.mod
  cp "$theirs/go.sum" go.sum
  chmod u+w go.sum
  [ "$program" != translator ] || cp "$source" main.go
  go build -ldflags='-s -w' -o "$WORK/out/$program" "$package"
) >"$WORK/go.log" 2>&1 || fail "it could not be built ($(tail -n 1 "$WORK/go.log")): $ADVICE"
put_in_cache out "$entry"
say "ready"
echo "$CACHE/$entry/$program"
