# shellcheck shell=bash
# shellcheck disable=SC2034 # the lists are for those who source it
# Sourced by the scripts beside this folder: installs Debian packages that are missing.

build_packages=(g++ cmake ninja-build pkg-config ccache libboost1.81-dev libboost-log1.81-dev
  libboost-json1.81-dev libboost-thread1.81-dev libssl-dev liblmdb-dev libcli11-dev libbrotli-dev libdeflate-dev)
test_packages=(catch2 curl python3 python3-pytest python3-brotli python3-jsonschema)
lint_packages=(clang-format-19 clang-tidy-19 clang-19 shellcheck yamllint cppcheck git catch2)
fuzz_packages=(clang-19 libclang-rt-19-dev)

# need_packages NAME…: installs those that are missing, as root or with sudo. Never starts a daemon.
need_packages() {
  local name missing=() as_root=() deny=/usr/sbin/policy-rc.d made=
  for name; do
    dpkg-query -W -f='${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || missing+=("$name")
  done
  ((${#missing[@]})) || return 0
  echo "installing ${missing[*]}" >&2
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { echo "needs root or sudo to install: ${missing[*]}" >&2; return 1; }
    as_root=(sudo)
  fi
  if [[ ! -e $deny ]]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$deny" >/dev/null
    "${as_root[@]}" chmod +x "$deny"
    made=1
  fi
  local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=300
    install --no-install-recommends "${missing[@]}") result=0
  "${install[@]}" >/dev/null 2>&1 || { "${as_root[@]}" apt-get -qq update >&2 && "${install[@]}" >&2; } || result=1
  [[ -z $made ]] || "${as_root[@]}" rm -f "$deny"
  return "$result"
}
