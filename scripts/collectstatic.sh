#!/usr/bin/env bash
# usage: scripts/collectstatic.sh [--out DIR]
#
# Builds the web page and the API reference from proxy/site into DIR (build/site): scripts, styles and fonts under names
# that hold their content's hash, with gzip and brotli copies beside them, the pages that refer to them, and
# static/manifest.json. Installs what is missing; needs no network afterwards. DIR is replaced whole or not at all, and
# left alone when it is up to date; the files of the build before stay in it for pages that are still open. A folder
# that holds something else than such a build is refused.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
out=build/site
case $#${1:-} in
  0) ;;
  2--out) out=$(from_caller "$2") ;;
  *) usage "$script" "${1:-}" ;;
esac
need_packages "${site_packages[@]}"
exec /usr/bin/python3 scripts/lib/collectstatic.py proxy/site "$out"
