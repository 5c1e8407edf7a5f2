#!/usr/bin/env bash
# usage: scripts/lint.sh
#
# Holds the tree against its linters: the locked CVs' checksums, clang-format, shellcheck, yamllint, cppcheck and
# clang-tidy, which takes two minutes. Installs what is missing; changes nothing but build/tidy.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
[[ $# == 0 ]] || usage "$script" "$1"
need_packages "${lint_packages[@]}"

# The files of the repository; also as root in somebody else's clone.
files() { git -c safe.directory="$PWD" ls-files "$@"; }
files >/dev/null || { echo "the linters look at what git knows: they need a clone" >&2; exit 1; }

echo "== checksums of the locked CVs" >&2
(cd data/cvs && sha256sum --quiet -c SHA256SUMS)
echo "== clang-format" >&2
files '*.cpp' '*.hpp' | xargs clang-format-19 --dry-run --Werror
echo "== shellcheck" >&2
shellcheck -x deploy/debian/update-cv-backend-nginx deploy/debian/*.{postinst,prerm,postrm} scripts/*.sh \
  scripts/lib/*.sh tests/browser/run.sh .ci/run
echo "== yamllint" >&2
files -z .clang-format .clang-tidy .yamllint tests/.clang-tidy '*.yml' '*.yaml' | xargs -0 yamllint --strict
echo "== cppcheck" >&2
# Suppressed: what cppcheck 2.10 says of coroutines and of views made from literals is not so.
cppcheck --quiet --std=c++20 --language=c++ --enable=warning,portability --inline-suppr --error-exitcode=1 \
  --suppress=missingIncludeSystem --suppress=missingReturn:libs/http/s*.cpp --suppress=missingReturn:services/cv_health/*.cpp \
  --suppress=returnDanglingLifetime:services/cv_query/cv.hpp -I libs -I services libs services
echo "== clang-tidy (two to three minutes)" >&2
cmake --preset tidy >/dev/null
# Its standard error only counts what it left out.
files -z 'libs/*.cpp' 'services/*.cpp' 'tests/*.cpp' |
  xargs -0 -n 1 -P "$(nproc)" clang-tidy-19 --quiet -p build/tidy 2>/dev/null
