#!/usr/bin/env bash
# usage: scripts/apply-rulesets.sh [--dry-run] OWNER/REPOSITORY
#
# Makes the rules of branches and tags in .github/rulesets those of a repository on GitHub: each file is one ruleset,
# made anew or brought up to date by its name; others are left alone. Needs gh, logged in as one who may administer the
# repository, and jq. --dry-run: only tells what it would do.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
dry=''
[[ ${1:-} != --dry-run ]] || { dry=1; shift; }
[[ $# == 1 && $1 == */* && $1 != -* ]] || usage "$script" "${1:-nothing: a repository is missing}"
repository=$1
for tool in gh jq; do
  type -P "$tool" >/dev/null || { echo "needs $tool" >&2; exit 69; }
done
there=$(gh api --paginate "repos/$repository/rulesets")
for file in .github/rulesets/*.json; do
  name=$(jq -r .name "$file")
  id=$(jq -r --arg name "$name" '.[] | select(.name == $name) | .id' <<<"$there")
  if [[ -n $id ]]; then method=PUT; else method=POST; fi
  call=(gh api --method "$method" "repos/$repository/rulesets${id:+/$id}" --input "$file")
  echo "$name: ${call[*]}"
  [[ -n $dry ]] || "${call[@]}" --silent
done
