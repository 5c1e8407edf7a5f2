#!/usr/bin/env bash
# usage: scripts/run.sh
#
# Sets up and runs everything on a Debian 12 machine: installs what is missing, builds, loads data/, serves on
# http://127.0.0.1:8000 and tells how it is on http://127.0.0.1:8001, in development settings, until Ctrl-C. Safe to
# run again. Settings in the environment (BIND, SIDECAR_BIND, CV_DATA_DIR, …) override those of development.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
[[ $# == 0 ]] || usage "$script" "$1"
need_packages "${build_packages[@]}"
echo "building (the first time takes about a minute)" >&2
cmake --preset release -DBUILD_TESTING=OFF >/dev/null
cmake --build --preset release >&2
export CV_ENV=${CV_ENV:-development}
first=${BIND:-127.0.0.1:${PORT:-8000}}
first=${first%%,*}
case $first in
  *:0) ask=curl base=http://127.0.0.1:PORT ;; # which one, its ready line says
  unix:*) ask="curl --unix-socket ${first#unix:}" base=http://localhost ;;
  :* | 0.0.0.0:* | '[::]':*) ask=curl base=http://127.0.0.1:${first##*:} ;;
  *) ask=curl base=http://$first ;;
esac
cat >&2 <<EOF

Try:  $ask $base/api/v1/cvs/
      $ask '$base/api/v1/cvs/ramin/skills/?lang=de&focus=Programming'
How it is:  http://${SIDECAR_BIND:-127.0.0.1:8001}/
End it with Ctrl-C.

EOF
# Both end together: with Ctrl-C, or when one of them does. In sessions of their own, so that a terminal's Ctrl-C
# reaches them once, from here.
asked=
trap 'asked=1' INT TERM HUP
setsid build/release/bin/cv-query &
query=$!
setsid build/release/bin/cv-health &
health=$!
code=0
[[ -n $asked ]] || wait -n "$query" "$health" || code=$?
kill "$query" "$health" 2>/dev/null || true
[[ -z $asked ]] || code=0
for pid in "$query" "$health"; do
  until wait "$pid" || { (($? < 128)) || ! kill -0 "$pid" 2>/dev/null; }; do :; done # a signal ends a wait as well
done
exit "$code"
