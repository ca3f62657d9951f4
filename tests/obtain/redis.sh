#!/usr/bin/env bash
# Obtains Redis for the tests of the store: one on PATH, else the system's package where this user may install it.
# It comes from the distribution, which checks the signature itself. Prints the path of redis-server; redis-cli is beside it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

found() { command -v redis-server && command -v redis-cli >/dev/null; }

found && exit 0

advice="install Redis 7 or newer with your system's packages (Debian: apt-get install redis-server) and run the command again; only the tests of the store need it."
command -v apt-get >/dev/null 2>&1 || fail "Redis is missing: $advice"
[ "$(id -u)" = 0 ] || fail "Redis is missing and only root may install packages: $advice"

mkdir -p "$CACHE"
log="$CACHE/redis-install.log"
say "installing the distribution's Redis (once; some seconds)"
{
  apt-get update -q
  # The tests start servers of their own: the packaged service must not start one.
  printf '#!/bin/sh\nexit 101\n' >"$CACHE/no-services" && chmod +x "$CACHE/no-services"
  [ -e /usr/sbin/policy-rc.d ] || { cp "$CACHE/no-services" /usr/sbin/policy-rc.d && trap 'rm -f /usr/sbin/policy-rc.d' EXIT; }
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends redis-server
} >"$log" 2>&1 || fail "apt-get could not install redis-server ($(tail -n 1 "$log")): $advice"
found || fail "apt-get installed redis-server but it is not on PATH: $advice"
