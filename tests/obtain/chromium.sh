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
install_package chromium Chromium "about a minute" "$advice"
