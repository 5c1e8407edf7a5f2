#!/usr/bin/env bash
# usage: tests/browser/run.sh [FILE…]
#
# Passes the browser tests, or those files of them: fetches their two npm packages where they are missing, at the exact
# versions of the lock file. Without node, npm or Chromium it says so and skips (77), or fails where CI=true.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
missing=()
for tool in node npm chromium pdftotext; do command -v "$tool" >/dev/null || missing+=("$tool"); done
if ((${#missing[@]})); then
  echo "browser tests need ${missing[*]}; on Debian: apt-get install nodejs npm chromium poppler-utils" >&2
  [[ ${CI:-} != true ]] || exit 1
  exit 77
fi
if ! cmp -s package-lock.json node_modules/.own-lock; then
  npm ci --no-progress --ignore-scripts >&2 || {
    echo "the npm packages of the browser tests could not be fetched" >&2
    [[ ${CI:-} != true ]] || exit 1
    exit 77
  }
  cp package-lock.json node_modules/.own-lock
fi
(($#)) || set -- *.test.mjs
exec node --test "$@"
