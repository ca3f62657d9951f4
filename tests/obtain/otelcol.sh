#!/usr/bin/env bash
# Obtains OpenTelemetry's collector with the parts that k8s/compose/otel.yaml names: built from its Go modules, of the versions and sums in
# tests/k8s/collector, where Go is on PATH. Nothing of the machine's Go set-up changes but its caches. Prints the path of the binary.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ADVICE="install Go 1.26 or newer; only one test needs it, which says so."
source="$ROOT/tests/k8s/collector"
entry="otelcol-$(cat "$source"/* | sha256sum | cut -c1-12)"
if [ -x "$CACHE/$entry/otelcol" ]; then
  echo "$CACHE/$entry/otelcol"
  exit 0
fi
command -v go >/dev/null 2>&1 || fail "it is built from its Go modules, and Go is missing: $ADVICE"

fresh_dir
mkdir -p "$WORK/out"
say "building OpenTelemetry's collector (minutes, once)"
# One program without a C library, which runs in an image with nothing else in it.
(cd "$source" && CGO_ENABLED=0 GOFLAGS="-mod=readonly -buildvcs=false" go build -ldflags='-s -w' -o "$WORK/out/otelcol" .) >"$WORK/go.log" 2>&1 ||
  fail "it could not be built ($(tail -n 1 "$WORK/go.log")): $ADVICE"
put_in_cache out "$entry"
say "ready"
echo "$CACHE/$entry/otelcol"
