#!/usr/bin/env bash
# usage: scripts/run.sh
#
# Sets up and runs everything on a Debian 12 machine: installs what is missing, builds, loads data/ and serves on
# http://127.0.0.1:8000 in development settings until Ctrl-C. Safe to run again. Settings in the environment
# (BIND, CV_DATA_DIR, …) override those of development.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
[[ $# == 0 ]] || usage "$script" "$1"
need_packages "${build_packages[@]}"
echo "building (about two minutes the first time)" >&2
cmake --preset release >/dev/null
cmake --build --preset release >&2
export CV_ENV=${CV_ENV:-development}
mkdir -p build/state build/run
build/release/bin/cv-query load || echo "some files were refused; the others are served" >&2
first=${BIND:-127.0.0.1:8000}
first=${first%%,*}
case $first in
  unix:*) ask="curl --unix-socket ${first#unix:}" base=http://localhost ;;
  :*) ask=curl base=http://127.0.0.1$first ;;
  *) ask=curl base=http://$first ;;
esac
cat >&2 <<EOF

Try:  $ask $base/api/v1/cvs/
      $ask '$base/api/v1/cvs/ramin/skills/?lang=de&focus=Programming'
End it with Ctrl-C.

EOF
exec build/release/bin/cv-query
