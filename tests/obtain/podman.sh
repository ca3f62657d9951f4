#!/usr/bin/env bash
# Obtains what runs the rendered pods without a cluster: podman with runc, and a registry (docker-registry) on PATH, else the
# distribution's packages where this user may install them. Prints the path of podman; the others are on PATH.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

advice="install podman, runc and docker-registry with your system's packages; only the tests of rendered pods need them, which say so."
[ "$(uname -s)" = Linux ] || fail "podman runs containers on Linux alone: $advice"
# Containers and a network of the test's own are made.
[ "$(id -u)" = 0 ] || fail "only root may make the networks and containers that these tests need: run them as root."
command -v unshare >/dev/null && command -v ip >/dev/null || fail "unshare (util-linux) and ip (iproute2) are missing: $advice"

# The registry comes as a service, which must not start.
policy=/usr/sbin/policy-rc.d
if ! command -v docker-registry >/dev/null && [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"; } 2>/dev/null || true
fi
for program in runc docker-registry podman; do
  found() { command -v "$program" >/dev/null; }
  found || install_package "$program" "$program" "some seconds" "$advice"
done
command -v podman
