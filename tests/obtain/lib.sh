# What every obtain script shares: where things go, how it speaks, how it checks a checksum.
# Sourced, never run. A script prints progress to stderr and the path of what it obtained as its only line on stdout.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
CACHE="${WICKETGATE_CACHE:-$ROOT/.cache}"

say() { printf '%s: %s\n' "$(basename "${0%.sh}")" "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

need() { command -v "$1" >/dev/null 2>&1 || fail "$1 is missing: $2"; }

# Ends the script unless FILE has exactly this sha256; a wrong file is removed so that the next run fetches anew.
verify_sha256() { # FILE EXPECTED
  local actual
  actual="$(sha256sum "$1" | cut -d' ' -f1)"
  if [ "$actual" != "$2" ]; then
    rm -f "$1"
    fail "$(basename "$1") has the checksum $actual, expected $2: not used. Run the command again; if it stays so, do not trust the source."
  fi
}

# A directory beside the cache entry, so that the final move is a rename; removed when the script ends.
fresh_dir() {
  mkdir -p "$CACHE"
  WORK="$(mktemp -d "$CACHE/.obtain.XXXXXX")"
  trap 'rm -rf "$WORK"' EXIT
}

# Puts $WORK/NAME in place as $CACHE/ENTRY in one step; a concurrent run may have been first, which is as good.
put_in_cache() { # NAME ENTRY
  mkdir -p "$(dirname "$CACHE/$2")"
  mv -T "$WORK/$1" "$CACHE/$2" 2>/dev/null || [ -e "$CACHE/$2" ] || fail "cannot write $CACHE/$2: check the disk space and the rights of that directory."
}

# Installs PACKAGE from the distribution, which checks its signature itself, where this user may; the script's `found` says whether it is
# there. WHAT is how people call it, TAKES how long that takes.
install_package() { # PACKAGE WHAT TAKES ADVICE
  local log="$CACHE/$1-install.log"
  command -v apt-get >/dev/null 2>&1 || fail "$2 is missing: $4"
  [ "$(id -u)" = 0 ] || fail "$2 is missing and only root may install packages: $4"
  mkdir -p "$CACHE"
  # The package manager refuses who comes while another installs.
  exec 8>"$CACHE/packages.lock"
  flock 8
  found && return
  say "installing the distribution's $2 (once; $3)"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$1"; } >"$log" 2>&1 ||
    fail "apt-get could not install $1 ($(tail -n 1 "$log")): $4"
  found || fail "apt-get installed $1 but it is not on PATH: $4"
}
