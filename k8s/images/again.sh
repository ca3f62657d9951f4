#!/usr/bin/env bash
# Does another machine get the same images? `make images-again`: builds all of them once more, from a copy of the source in another
# directory, with another cargo home, and compares everything with target/images.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
home="${CARGO_HOME:-$HOME/.cargo}"
place="$(mktemp -d "${TMPDIR:-/tmp}/wicketgate-again.XXXXXX")"
trap 'rm -rf "$place"' EXIT

mkdir -p "$place/checkout" "$place/cargo/registry"
cd "$root"
git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- --ignore-failed-read 2>/dev/null | tar --extract --directory "$place/checkout"
# What was fetched is the same, and its checksums are in Cargo.lock; it is unpacked anew.
for part in cache index; do
  [ ! -e "$home/registry/$part" ] || ln -s "$home/registry/$part" "$place/cargo/registry/$part"
done
[ ! -e "$home/config.toml" ] || cp "$home/config.toml" "$place/cargo/config.toml"

env --unset=CARGO_TARGET_DIR CARGO_HOME="$place/cargo" WICKETGATE_CACHE="${WICKETGATE_CACHE:-$root/.cache}" \
  make --no-print-directory --directory "$place/checkout" images VERSION="$1" CARGO="${CARGO:-cargo}"
if diff --recursive --brief "$root/target/images" "$place/checkout/target/images" >&2; then
  echo "   the same in both places: $(ls -d target/images/*/ | wc -l) images" >&2
else
  echo "   the images differ" >&2
  exit 1
fi
