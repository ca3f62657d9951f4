#!/usr/bin/env bash
# Obtains promtool, which checks and tests alert rules: the one on PATH, else Debian's, unpacked under .cache/ without being
# installed. apt fetches it from the mirror that this machine uses, with lists of its own, so that nothing of the machine's
# package state changes. Prints the path of the binary.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# What is in a release of Debian changes at its point releases alone; when one of these is gone the other is tried.
PACKAGES=(
  "trixie promtool=2.53.3+ds1-2 ff27654eacc95abd846d344e91fe4ba3b4f0588a50d606ed1d2f09ad3408722f"
  "bookworm prometheus=2.42.0+ds-5+deb12u1 81d59a24fce84f7fbe97a45a4f2914b6a5881b5cd1db2a6a0e129e515e1a5f55"
)
ADVICE="install Prometheus (promtool comes with it), put it on PATH and run the command again; only the tests of the alert rules need it."
KEYS=/usr/share/keyrings/debian-archive-keyring.gpg

if command -v promtool; then
  exit 0
fi
entry=promtool
if [ -x "$CACHE/$entry/promtool" ]; then
  echo "$CACHE/$entry/promtool"
  exit 0
fi

command -v apt-get >/dev/null 2>&1 && command -v dpkg >/dev/null 2>&1 ||
  fail "promtool is missing, and only Debian's tools can fetch it here: $ADVICE"
[ "$(dpkg --print-architecture)" = amd64 ] || fail "promtool is missing, and the pinned package is for amd64 only: $ADVICE"
mirror="$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m 1 -E '/debian/?$' || true)"
[ -n "$mirror" ] && [ -r "$KEYS" ] || fail "promtool is missing, and this machine knows no mirror of Debian: $ADVICE"

fresh_dir
mkdir -p "$WORK/lists/partial" "$WORK/cache/archives/partial" "$WORK/out"
apt_here() {
  apt-get -q -o Dir::Etc::sourcelist="$WORK/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$WORK/lists" \
    -o Dir::Cache="$WORK/cache" -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false \
    "$@" >>"$WORK/apt.log" 2>&1
}

say "fetching promtool (about 20 MB, once)"
for package in "${PACKAGES[@]}"; do
  read -r suite name sha256 <<<"$package"
  echo "deb [arch=amd64 signed-by=$KEYS] $mirror $suite main" >"$WORK/sources.list"
  if (cd "$WORK" && apt_here update && apt_here download "$name"); then
    archive="$(find "$WORK" -maxdepth 1 -name '*.deb')"
    verify_sha256 "$archive" "$sha256"
    dpkg -x "$archive" "$WORK/unpacked"
    cp "$WORK/unpacked/usr/bin/promtool" "$WORK/out/promtool"
    break
  fi
done
[ -x "$WORK/out/promtool" ] || fail "apt-get could not fetch Debian's promtool ($(tail -n 1 "$WORK/apt.log")): $ADVICE"
"$WORK/out/promtool" --version >/dev/null 2>&1 ||
  fail "Debian's promtool does not start on this system (it needs glibc 2.34 or newer): $ADVICE"
put_in_cache out "$entry"
say "ready"
echo "$CACHE/$entry/promtool"
