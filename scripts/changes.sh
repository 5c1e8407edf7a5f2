#!/usr/bin/env bash
# usage: scripts/changes.sh [BASE]
#
# Decides for the pipeline by path: prints code=false when every file changed since BASE is one that no program, test
# or package reads, else code=true; true as well without BASE, or when it is not known here.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
[[ ${1:-} != -* ]] || usage "$script" "$1"
git=(git -c safe.directory="$PWD")
code=true
if [[ -n ${1:-} ]] && changed=$("${git[@]}" diff --no-renames --name-only "$1...HEAD" 2>/dev/null); then
  code=false
  while IFS= read -r path; do
    case $path in
      '' | CHANGELOG.md | CONTRIBUTING.md | LICENSE | docs/decisions/*.md) ;;
      .github/*.md | .github/ISSUE_TEMPLATE/* | .github/CODEOWNERS) ;;
      *) code=true ;;
    esac
  done <<<"$changed"
fi
echo "code=$code"
