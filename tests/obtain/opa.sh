#!/usr/bin/env bash
# Obtains OPA, to which the meaning of Rego policies is compared: built from its Go module, where Go is on PATH. Nothing of
# the machine's Go set-up changes but its module cache. Prints the path of the binary.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

VERSION=1.22.3
ADVICE="install Go, or put the binary there yourself; only one test needs it, which says so."
entry="opa-$VERSION"
if [ -x "$CACHE/$entry/opa" ]; then
  echo "$CACHE/$entry/opa"
  exit 0
fi
command -v go >/dev/null 2>&1 || fail "OPA is built from its Go module, and Go is missing: $ADVICE"

fresh_dir
mkdir -p "$WORK/module" "$WORK/out"
# go-diff 1.4.0, which this version of OPA names, does not compile with every Go.
cat >"$WORK/module/go.mod" <<EOF
module obtain
go 1.24
require github.com/open-policy-agent/opa v$VERSION
replace github.com/sergi/go-diff => github.com/sergi/go-diff v1.3.1
EOF
printf '//go:build tools\n\npackage obtain\n\nimport _ "github.com/open-policy-agent/opa"\n' >"$WORK/module/tools.go"
say "building OPA $VERSION (minutes, once)"
(cd "$WORK/module" && go mod tidy && go build -o "$WORK/out/opa" github.com/open-policy-agent/opa) >"$WORK/go.log" 2>&1 ||
  fail "OPA could not be built ($(tail -n 1 "$WORK/go.log")): $ADVICE"
put_in_cache out "$entry"
say "ready"
echo "$CACHE/$entry/opa"
