#!/usr/bin/env bash
# usage: scripts/coverage.sh [--fail-under PERCENT]
#
# Builds with the address and undefined-behaviour sanitizers and with gcov's counters, passes the unit, component and
# system tests (those of the programs) and reports how many lines of libs and services they ran: a summary here,
# build/coverage/coverage.xml (Cobertura) and build/coverage/html/ for people. Exit 1 when a test fails or fewer than
# PERCENT (90) of the lines were run. Takes about twenty minutes.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
least=90
case ${1:-} in
  '') ;;
  --fail-under) least=${2:?--fail-under needs a number} ;;
  *) usage "$script" "$1" ;;
esac
need_packages "${build_packages[@]}" "${site_packages[@]}" "${proxy_packages[@]}" "${test_packages[@]}" \
  "${coverage_packages[@]}"
build=build/coverage
cmake --preset coverage >/dev/null
cmake --build --preset coverage
find "$build" -name '*.gcda' -delete # of an earlier run
code=0
unset CI # what needs an engine runs programs of its own, and may be skipped here
ctest --preset coverage -L 'unit|component|system' || code=$? # also what a failing run has covered is worth knowing
mkdir -p "$build/html"
gcovr --root . --object-directory "$build" --filter libs/ --filter services/ --exclude-throw-branches \
  --exclude-unreachable-branches --gcov-ignore-parse-errors -j "$(nproc)" \
  --print-summary --sort-uncovered --txt "$build/coverage.txt" --xml "$build/coverage.xml" \
  --html-details "$build/html/index.html" \
  --fail-under-line "$least" || { echo "under $least % of the lines; $build/coverage.txt says which" >&2; code=1; }
exit "$code"
