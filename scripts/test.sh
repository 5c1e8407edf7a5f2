#!/usr/bin/env bash
# usage: scripts/test.sh [--quick]
#
# Installs what is missing and passes all tests: linters, then unit and system tests plain and under the address
# and undefined-behaviour sanitizers. --quick: unit tests and one system pass, without linters and sanitizers.
# Safe to run again.
set -euo pipefail
quick=
case ${1:-} in
  '') ;;
  --quick) quick=1 ;;
  *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; [[ $1 == -h || $1 == --help ]] && exit 0 || exit 64 ;;
esac
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
need_packages "${build_packages[@]}" "${test_packages[@]}"

# suite PRESET: builds it and runs its tests.
suite() {
  echo "== $1" >&2
  cmake --preset "$1" >/dev/null
  cmake --build --preset "$1"
  ctest --preset "$1"
}

if [[ -n $quick ]]; then
  suite release
  exit
fi
scripts/lint.sh
suite release
suite asan
