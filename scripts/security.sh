#!/usr/bin/env bash
# usage: scripts/security.sh [--report] [--bin DIR] [--tree DIR] [--sbom FILE] [updates|secrets|hardening|sbom …]
#
# Checks what we ship, here or anywhere, without the internet; without names, all four parts:
#   updates    no security update is pending for the packages that our programs link or that ship beside them; as root
#              it installs the latter (nginx, not started) and renews the package lists; else it says how old they are
#   secrets    no secret in the tree or in any commit (scripts/lib/secrets.py has the patterns and the exceptions)
#   hardening  the programs are PIE, RELRO with immediate binding, stack protector, fortify, no executable stack
#   sbom       writes the CycloneDX list of what the programs are made of
# --report: tells of pending updates, and of what could not be checked, without failing: these are the machine's.
# --bin, where the programs are (default build/release/bin); --tree, the clone to scan for secrets; --sbom, the file
# to write (default build/cv-backend.cdx.json). Exit 1 on a finding, 69 where something could not be checked.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
report='' bin=${CV_BIN_DIR:-build/release/bin} tree=. sbom=build/cv-backend.cdx.json parts=()
while (($#)); do
  case $1 in
    --report) report=1 ;;
    --bin) bin=${2:?--bin needs a folder}; shift ;;
    --tree) tree=${2:?--tree needs a clone}; shift ;;
    --sbom) sbom=${2:?--sbom needs a file}; shift ;;
    updates | secrets | hardening | sbom) parts+=("$1") ;;
    *) usage "$script" "$1" ;;
  esac
  shift
done
((${#parts[@]})) || parts=(updates secrets hardening sbom)
need_packages "${security_packages[@]}"

# programs: the paths of both, or a word about how to build them.
programs() {
  local name
  for name in cv-query cv-health; do
    [[ -x $bin/$name ]] || { echo "no $bin/$name; scripts/build.sh makes it" >&2; return 69; }
    echo "$bin/$name"
  done
}

# updates: by apt's own reckoning of what an upgrade of just these packages would install.
updates() {
  local names lists pending upgrade
  names=$(python3 -B scripts/lib/sbom.py --packages "$bin"/cv-{query,health}) || return 69
  names+=" ${shipped_packages[*]}"
  ((EUID != 0)) || need_packages "${shipped_packages[@]}" || return 69
  # Without root: when a list was fetched, or found to be the newest, is its inode's time; its own is the archive's.
  lists=
  if ((EUID != 0)); then
    lists=$(find /var/lib/apt/lists -maxdepth 1 -name '*security*Release' -newerct '-1 day' | head -n 1)
  elif apt-get -qq -o DPkg::Lock::Timeout=60 -o Acquire::Retries=1 -o APT::Update::Error-Mode=any update \
    >/dev/null 2>&1; then
    lists=new
  fi
  if [[ -z $lists ]]; then
    lists=$(find /var/lib/apt/lists -maxdepth 1 -name '*security*Release' -printf 'of %CY-%Cm-%Cd\n' | sort | tail -n 1)
    echo "security updates: not known, since the package lists are ${lists:-missing} and could not be renewed;" \
      "run apt-get update as root" >&2
    [[ -n $report ]] || return 69
  fi
  # Only what is installed here can be pending here: the same release's packages are what the images get.
  names=$(for name in $names; do dpkg-query -W -f='${Package} ${db:Status-Abbrev}\n' "$name" 2>/dev/null; done |
    awk '$2 == "ii" { print $1 }' | sort -u)
  # shellcheck disable=SC2086 # one word each
  upgrade=$(LC_ALL=C apt-get -s -o Debug::NoLocking=1 --only-upgrade install $names) ||
    { echo "$upgrade" >&2; return 69; }
  pending=$(awk '/^Inst / && /-[Ss]ecurity/ { print "  " $2, $3, "->", substr($4, 2) }' <<<"$upgrade")
  if [[ -n $pending ]]; then
    echo "pending security updates; mend with: apt-get install --only-upgrade PACKAGE, then build again" >&2
    echo "$pending" >&2
    [[ -n $report ]] || return 1
  else
    echo "no security update is pending for $(wc -l <<<"$names") packages"
  fi
}

# secrets: 69 where part of the history is missing.
secrets() {
  local code=0
  python3 -B scripts/lib/secrets.py "$tree" || code=$?
  ((code != 69)) || [[ -z $report ]] || return 0
  return "$code"
}

# lacks PROGRAM: what its ELF headers and imports lack.
lacks() {
  local headers dynamic symbols
  headers=$(readelf -hlW "$1") dynamic=$(readelf -dW "$1") symbols=$(readelf --dyn-syms -W "$1")
  grep -q 'Type: *DYN' <<<"$headers" && grep -q 'INTERP' <<<"$headers" || echo "position-independent code (-fPIE -pie)"
  grep -q 'GNU_RELRO' <<<"$headers" && grep -qE 'BIND_NOW|FLAGS_1.*NOW' <<<"$dynamic" ||
    echo "full RELRO (-z relro -z now)"
  grep -qE 'GNU_STACK .* RW +0x' <<<"$headers" || echo "a stack that is not executable (-z noexecstack)"
  grep -q '__stack_chk_fail' <<<"$symbols" || echo "stack protector (-fstack-protector-strong)"
  grep -qE ' __[a-z_]+_chk@' <<<"$symbols" || echo "fortified calls (-O2 -D_FORTIFY_SOURCE=2)"
  ! grep -qE 'RPATH|RUNPATH' <<<"$dynamic" || echo "a clean library path (it has an RPATH)"
}

hardening() {
  local program list bad=0 lack
  list=$(programs) || return
  for program in $list; do
    mapfile -t lack < <(lacks "$program")
    ((!${#lack[@]})) || { bad=1; printf '%s\n' "${lack[@]/#/$program lacks }" >&2; }
  done
  ((!bad)) || return 1
  echo "PIE, RELRO, no executable stack, stack protector, fortify: both programs"
}

sbom() {
  local list
  list=$(programs) || return
  mkdir -p "$(dirname "$sbom")"
  # shellcheck disable=SC2086 # two paths, one word each
  python3 -B scripts/lib/sbom.py --out "$sbom" $list
}

worst=0
for part in "${parts[@]}"; do
  echo "== $part" >&2
  code=0
  case $part in
    updates) updates || code=$? ;;
    secrets) secrets || code=$? ;;
    hardening) hardening || code=$? ;;
    sbom) sbom || code=$? ;;
  esac
  ((code == 1)) && worst=1
  ((worst == 1 || code == 0)) || worst=$code
done
exit "$worst"
