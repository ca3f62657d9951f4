#!/usr/bin/env bash
# Obtains Chromium for the browser tests: one on PATH, else the system's package where this user may install it.
# It comes from the distribution, which checks the signature itself. Prints the path of the binary.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

found() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" && return 0
  done
  return 1
}

found && exit 0

advice="install Chromium with your system's packages (Debian: apt-get install chromium) and run the command again; only the browser tests need it."
command -v apt-get >/dev/null 2>&1 || fail "Chromium is missing: $advice"
[ "$(id -u)" = 0 ] || fail "Chromium is missing and only root may install packages: $advice"

mkdir -p "$CACHE"
log="$CACHE/chromium-install.log"
say "installing the distribution's Chromium (once; about a minute)"
{
  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium
} >"$log" 2>&1 || fail "apt-get could not install chromium ($(tail -n 1 "$log")): $advice"
found || fail "apt-get installed chromium but it is not on PATH: $advice"
