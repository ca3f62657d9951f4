#!/usr/bin/env bash
# Obtains Redis for the tests of the store: one on PATH, else the system's package where this user may install it.
# It comes from the distribution, which checks the signature itself. Prints the path of redis-server; redis-cli is beside it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

found() { command -v redis-server && command -v redis-cli >/dev/null; }

found && exit 0

advice="install Redis 7 or newer with your system's packages (Debian: apt-get install redis-server) and run the command again; only the tests of the store need it."
# The tests start servers of their own: the packaged service must not start one.
policy=/usr/sbin/policy-rc.d
if [ "$(id -u)" = 0 ] && [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"; } 2>/dev/null || true
fi
install_package redis-server Redis "some seconds" "$advice"
