#!/usr/bin/env bash
# usage: scripts/healthcheck.sh [SETTINGS…]
#
# Asks the running service whether it is ready: exit 0 or 1, and a line that says why. Takes the settings of the
# service from the environment or as flags (scripts/healthcheck.sh --bind 127.0.0.1:8000).
set -euo pipefail
script=$(readlink -f "$0")
root=$(dirname "$script")/..
# shellcheck source=scripts/lib/usage.sh
. "$root/scripts/lib/usage.sh"
[[ ${1:-} != -h && ${1:-} != --help ]] || usage "$script" "$1"
program=$root/build/release/bin/cv-query
[[ -x $program ]] || program=$(command -v cv-query) || { echo "no cv-query; scripts/run.sh builds it" >&2; exit 69; }
CV_ENV=${CV_ENV:-development} exec "$program" healthcheck "$@"
