#!/usr/bin/env bash
# Benchmark of cv-query; tests/bench/README.md says what it measures, `--help` what it takes.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
packages=$root/scripts/lib/packages.sh
export PATH=$PATH:/usr/sbin LC_ALL=C.UTF-8

case " $* " in
*" --help "* | *" -h "*) ;; # needs nothing installed
*)
  if [[ -e $packages ]]; then
    # shellcheck source=/dev/null
    source "$packages"
    need_packages gcc libc6-dev nginx util-linux wrk >&2
  fi
  ;;
esac

exec /usr/bin/python3 -B "$root/tests/bench/bench.py" "$@"
