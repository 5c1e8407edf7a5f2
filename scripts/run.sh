#!/usr/bin/env bash
# usage: scripts/run.sh
#
# Sets up and runs everything on a Debian 12 machine: installs what is missing, builds, loads data/ and serves on
# http://127.0.0.1:8000 in development settings until Ctrl-C. Safe to run again. Settings in the environment
# (BIND, CV_DATA_DIR, …) override those of development.
set -euo pipefail
case ${1:-} in
  '') ;;
  *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; [[ $1 == -h || $1 == --help ]] && exit 0 || exit 64 ;;
esac
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
need_packages "${build_packages[@]}"
echo "building (about two minutes the first time)" >&2
cmake --preset release >/dev/null
cmake --build --preset release >&2
export CV_ENV=${CV_ENV:-development}
mkdir -p build/state build/run
build/release/bin/cv-query load || echo "some files were refused; the others are served" >&2
cat >&2 <<'EOF'

Try:  curl http://127.0.0.1:8000/api/v1/cvs/
      curl 'http://127.0.0.1:8000/api/v1/cvs/ramin/skills/?lang=de&focus=Programming'
End it with Ctrl-C.

EOF
exec build/release/bin/cv-query
