#!/usr/bin/env bash
# usage: scripts/test.sh [--quick | --only PART]
#
# Installs what is missing and passes all tests: linters, security checks, the packages' build, then unit, component
# and system tests, those of images and packages where an engine and a booted machine are to be had (with CI=true
# there must be), those of the programs under sanitizers with the lines counted, then a short run of each fuzz target.
# The images are built once; a second time, to compare the programs, with --only docker.
# --quick: unit, component, system and browser tests alone. --only: one part, as the pipeline's jobs do: release (as
# --quick), fuzz; docker or systemd: just the system tests of the images or of the packages.
# Safe to run again.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
only=''
case ${1:-} in
  '') ;;
  --quick) only=release ;;
  --only) only=${2:-} ;;
  *) usage "$script" "$1" ;;
esac
case $only in
  '' | release | fuzz) ;;
  docker | systemd)
    need_packages git curl openssl python3 python3-pytest python3-yaml python3-jsonschema
    if [[ $only == systemd ]]; then
      scripts/build.sh
      scripts/collectstatic.sh
    fi
    exec /usr/bin/python3 -m pytest -v -p no:cacheprovider "tests/system/test_$only"*.py \
      "tests/system/test_guides_$only.py"
    ;;
  *) usage "$script" "--only $only" ;;
esac

# free_port: one that nobody listens on.
free_port() {
  local port
  while port=$((20000 + RANDOM % 10000)); (: </dev/tcp/127.0.0.1/"$port") 2>/dev/null; do :; done
  echo "$port"
}

# try_run: README's first command on this machine, before anything else is installed: it is ready, answers, ends.
try_run() {
  local said pid url health page
  said=$(mktemp)
  echo "== scripts/run.sh" >&2
  BIND=127.0.0.1:0 SIDECAR_BIND=127.0.0.1:0 HTTP_PORT=$(free_port) HTTPS_PORT=$(free_port) scripts/run.sh >"$said" 2>&1 &
  pid=$!
  # shellcheck disable=SC2064 # the values of now
  trap "kill $pid 2>/dev/null; rm -f $said" EXIT
  until url=$(sed -n 's/^cv-query ready on \(http.*\)/\1/p' "$said") && [[ -n $url ]] &&
    health=$(sed -n 's/^cv-health ready on //p' "$said") && [[ -n $health ]] &&
    page=$(sed -n 's/^nginx ready on //p' "$said") && [[ -n $page ]] && curl -fs "$health/readyz" >/dev/null; do
    kill -0 "$pid" 2>/dev/null || { cat "$said" >&2; return 1; }
    sleep 0.2
  done
  curl -fsS "$url/api/v1/cvs/" | grep '"ramin"' || { kill "$pid"; cat "$said" >&2; return 1; }
  curl -fsS --cacert build/tls/ca.pem "$page/" | grep '<title>' >&2 || { kill "$pid"; cat "$said" >&2; return 1; }
  kill "$pid"
  wait "$pid" || { cat "$said" >&2; return 1; }
  rm "$said"
  trap - EXIT
}

[[ -n $only ]] || try_run
need_packages "${build_packages[@]}" "${site_packages[@]}" "${proxy_packages[@]}" "${test_packages[@]}"
for tool in node npm chromium pdftotext; do # also from elsewhere than Debian's packages
  command -v "$tool" >/dev/null || { need_packages "${browser_packages[@]}"; break; }
done
[[ $only == release ]] || need_packages "${lint_packages[@]}" "${fuzz_packages[@]}"

# suite PRESET [ARGUMENT…]: builds it and runs its tests.
suite() {
  echo "== $1" >&2
  cmake --preset "$1" >/dev/null
  cmake --build --preset "$1"
  ctest --preset "$@"
}

if [[ -n $only ]]; then
  unset CI # what needs an engine is a part of its own, and may be skipped here
  suite "$only" -LE engines
  exit
fi
scripts/lint.sh
suite release
scripts/security.sh --report
scripts/package.sh
scripts/coverage.sh
suite fuzz
