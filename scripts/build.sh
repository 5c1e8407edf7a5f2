#!/usr/bin/env bash
# usage: scripts/build.sh
#
# Installs what is missing and builds the programs: build/release/bin/cv-query and cv-health. Safe to run again.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
[[ $# == 0 ]] || usage "$script" "$1"
need_packages "${build_packages[@]}"
configure=(cmake --preset release)
[[ -e build/release/CMakeCache.txt ]] || configure+=(-DBUILD_TESTING=OFF) # the tests need more packages
"${configure[@]}" >/dev/null
cmake --build --preset release --target cv-query cv-health
