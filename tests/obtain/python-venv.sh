#!/usr/bin/env bash
# Obtains the Python environment of the tests: a venv under .cache/ holding exactly what tests/python/requirements.txt
# pins (versions and hashes). Made anew when that file changes. Prints the path of its `python`. `python-venv.sh FILE NAME` makes
# another one, under another name, of what FILE pins.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

requirements="${1:-$ROOT/tests/python/requirements.txt}"
need python3 "install Python 3.10 or newer."
[ -r "$requirements" ] || fail "$requirements is not there: it pins what the Python tests need."
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  fail "Python $(python3 -c 'import platform; print(platform.python_version())') is too old: the MCP SDK needs 3.10 or newer."

venv="$CACHE/${2:-python-venv}"
# Its programs name it by its path, so one that was moved is made anew.
stamp="$(cat "$requirements" <(echo "$venv") <(python3 -c 'import sys; print(sys.version, sys.base_prefix)') | sha256sum | cut -d' ' -f1)"
if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/.stamp" 2>/dev/null)" = "$stamp" ]; then
  echo "$venv/bin/python"
  exit 0
fi

mkdir -p "$CACHE"
exec 9>"$venv.lock"
flock 9
if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/.stamp" 2>/dev/null)" = "$stamp" ]; then
  echo "$venv/bin/python"
  exit 0
fi

say "making the Python environment of the tests (once; about a minute)"
rm -rf "$venv"
python3 -m venv "$venv" || fail "python3 -m venv does not work here: install your system's python3-venv package."
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
  --requirement "$requirements" >&2 ||
  fail "pip could not install what $requirements pins: check the network and the lines above."
echo "$stamp" >"$venv/.stamp"
say "ready"
echo "$venv/bin/python"
