#!/usr/bin/env bash
# Obtains Istio's discovery server as a program, what its agent pulls images with (tests/k8s/discovery), and istioctl beside them: built
# from Istio's Go module, of the versions and sums that lie there, where Go is on PATH. Nothing of the machine's Go set-up changes but its
# caches. Prints the path of the discovery server; the others are beside it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ADVICE="install Go 1.26 or newer; only one test needs it, which says so."
source="$ROOT/tests/k8s/discovery"
entry="istio-$(cat "$source"/*.go "$source"/*/*.go "$source"/go.* | sha256sum | cut -c1-12)"
if [ -x "$CACHE/$entry/discovery" ]; then
  echo "$CACHE/$entry/discovery"
  exit 0
fi
command -v go >/dev/null 2>&1 || fail "it is built from its Go module, and Go is missing: $ADVICE"

fresh_dir
mkdir -p "$WORK/out"
cp -r "$source" "$WORK/module"
export GOFLAGS="-mod=readonly -buildvcs=false"
say "building Istio's discovery server and istioctl (ten minutes, once)"
(
  cd "$WORK/module"
  go build -ldflags='-s -w' -o "$WORK/out/discovery" .
  go build -ldflags='-s -w' -o "$WORK/out/pull" ./pull
  go build -ldflags='-s -w' -o "$WORK/out/istioctl" istio.io/istio/istioctl/cmd/istioctl
) >"$WORK/go.log" 2>&1 || fail "it could not be built ($(tail -n 1 "$WORK/go.log")): $ADVICE"
put_in_cache out "$entry"
say "ready"
echo "$CACHE/$entry/discovery"
