#!/usr/bin/env bash
# usage: scripts/lint.sh
#
# Holds the tree against its linters: clang-format, shellcheck, cppcheck, the locked CVs' checksums. Installs what
# is missing; changes nothing.
set -euo pipefail
case ${1:-} in
  '') ;;
  *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; [[ $1 == -h || $1 == --help ]] && exit 0 || exit 64 ;;
esac
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
need_packages "${lint_packages[@]}"

echo "== checksums of the locked CVs" >&2
(cd data/cvs && sha256sum --quiet -c SHA256SUMS)
echo "== clang-format" >&2
git ls-files '*.cpp' '*.hpp' | xargs clang-format-19 --dry-run --Werror
echo "== shellcheck" >&2
shellcheck -x scripts/*.sh scripts/lib/*.sh .ci/run
echo "== cppcheck" >&2
# Suppressed: what cppcheck 2.10 says of coroutines and of views made from literals is not so.
cppcheck --quiet --std=c++20 --language=c++ --enable=warning,portability --inline-suppr --error-exitcode=1 \
  --suppress=missingIncludeSystem --suppress=missingReturn:libs/http/s*.cpp \
  --suppress=returnDanglingLifetime:services/cv_query/cv.hpp -I libs -I services libs services
