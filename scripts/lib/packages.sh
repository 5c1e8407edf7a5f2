# shellcheck shell=bash
# shellcheck disable=SC2034 # the lists are for those who source it
# Sourced by the scripts beside this folder: installs Debian packages that are missing.

build_packages=(g++ cmake ninja-build pkg-config ccache libboost1.81-dev libboost-log1.81-dev
  libboost-json1.81-dev libboost-thread1.81-dev libssl-dev liblmdb-dev libcli11-dev libbrotli-dev libdeflate-dev
  curl)
test_packages=(catch2 python3 python3-pytest python3-brotli python3-jsonschema python3-yaml python3-prometheus-client
  nginx prometheus libfaketime openssl git iproute2 jq procps shellcheck systemd
  testssl.sh sslscan bind9-dnsutils libnss3-tools)
site_packages=(esbuild python3 python3-fonttools python3-brotli fonts-inter fonts-noto-core)
proxy_packages=(nginx libnginx-mod-http-brotli-static libnginx-mod-http-headers-more-filter gettext-base openssl)
pdf_packages=(chromium)
browser_packages=(nodejs npm chromium poppler-utils)
# clang-tidy reads every source with all headers: build_packages and the tests' Catch2 belong to it.
lint_packages=("${build_packages[@]}" catch2 clang-format-19 clang-tidy-19 clang-19 shellcheck yamllint cppcheck
  docker-compose git python3 python3-yaml systemd)
package_packages=(debhelper lintian git python3 gettext-base)
runtime_packages=(libboost-log1.81.0 libboost-json1.81.0 libboost-thread1.81.0 libssl3 liblmdb0 libbrotli1 libdeflate0)
fuzz_packages=(libclang-rt-19-dev)
coverage_packages=(gcovr)
security_packages=(python3 git binutils ninja-build)
shipped_packages=(nginx nginx-common libnginx-mod-http-brotli-static libnginx-mod-http-headers-more-filter
  ca-certificates openssl)

# need_node: Node and npm, for tests and linters alone; Debian's, where there are none.
need_node() { if ! type -P node || ! type -P npm; then need_packages nodejs npm; fi >/dev/null; }

# need_packages NAME…: installs those that are missing, as root or with sudo. Never starts a daemon. What apt says
# is shown only when it fails.
need_packages() {
  local name missing=() as_root=()
  for name; do
    dpkg-query -W -f='${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || missing+=("$name")
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { echo "needs root or sudo to install: ${missing[*]}" >&2; return 1; }
    as_root=(sudo)
  fi
  echo "installing ${missing[*]}" >&2
  ( # so that what it makes goes with it, whatever ends it
    deny=/usr/sbin/policy-rc.d said=$(mktemp) made=
    trap 'rm -f "$said"; [[ -z $made ]] || "${as_root[@]}" rm -f "$deny"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if [[ ! -e $deny ]]; then
      made=1
      printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$deny" >/dev/null
      "${as_root[@]}" chmod +x "$deny"
    fi
    apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=300)
    install=("${apt[@]}" install --no-install-recommends "${missing[@]}")
    "${install[@]}" >/dev/null 2>&1 && exit
    # The lists are old or missing, or an installation was interrupted.
    { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive dpkg --configure -a && "${apt[@]}" update &&
      "${install[@]}"; } >"$said" 2>&1 && exit
    tail -n 20 "$said" >&2
    echo "could not install: ${missing[*]}" >&2
    exit 1
  )
}
