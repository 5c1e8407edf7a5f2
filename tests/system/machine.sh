#!/usr/bin/env bash
# usage: tests/system/machine.sh start|stop|exec COMMAND…|put FILE PLACE|install PACKAGE…
#
# A throwaway Debian 12 booted by systemd, for the tests of the packages: what CV_SYSTEMD_MACHINE names where nothing
# better is there, as in the pipeline. Needs root and what systemd-nspawn needs: cgroups and namespaces of its own. The
# machine has a network with 127.0.0.1 alone; `install` takes .deb files and names, and fetches what they depend on over
# the caller's. State is in ${CV_MACHINE_DIR:-/var/tmp/cv-machine}; the root file system is made once, from the caller's
# package sources.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/../.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
dir=${CV_MACHINE_DIR:-/var/tmp/cv-machine} name=cv-machine
tree=$dir/tree

# The pid of nspawn, and of the machine's own systemd.
nspawn() {
  local pid
  pid=$(cat "$dir/pid" 2>/dev/null) && grep -qsa "machine=$name" "/proc/$pid/cmdline" && echo "$pid"
}
leader() {
  local pid
  pid=$(nspawn) && awk '{ print $1; found = 1 } END { exit !found }' "/proc/$pid/task/$pid/children"
}
# inside [-n] COMMAND…: in the machine; without -n in the caller's network.
inside() {
  local pid
  pid=$(leader) || { echo "machine.sh: not started" >&2; exit 69; }
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    nsenter -t "$pid" -m -p -u -i -C "$@"
}

make_tree() {
  [[ ! -e $tree/.made ]] || return 0
  rm -rf "$tree"
  mkdir -p "$dir"
  local sources=(/etc/apt/sources.list.d/*.sources)
  [[ ! -s /etc/apt/sources.list ]] || sources+=(/etc/apt/sources.list)
  mmdebstrap --quiet --variant=apt --include=systemd,systemd-sysv,dbus,curl,ca-certificates,iproute2,procps \
    bookworm "$tree" "${sources[@]}" >&2
  touch "$tree/.made"
}

start() {
  need_packages systemd-container mmdebstrap iproute2
  make_tree
  if leader >/dev/null; then return; fi
  SYSTEMD_NSPAWN_LOCK=0 setsid systemd-nspawn -q -b -D "$tree" --machine="$name" --volatile=overlay --keep-unit \
    --register=no --link-journal=no --resolv-conf=replace-host --timezone=off --console=pipe --private-network \
    </dev/null >"$dir/console.log" 2>&1 &
  echo $! >"$dir/pid"
  local deadline=$((SECONDS + 60)) state=
  until [[ $state == @(running|degraded) ]]; do
    if ! kill -0 "$!" 2>/dev/null || ((SECONDS > deadline)); then
      cat "$dir/console.log" >&2
      exit 1
    fi
    sleep 0.2
    state=$(inside -n systemctl is-system-running 2>/dev/null) || true
  done
}

stop() {
  local pid
  if pid=$(leader); then kill -s RTMIN+4 "$pid"; fi # power off
  local deadline=$((SECONDS + 20))
  while pid=$(nspawn); do
    ((SECONDS < deadline)) || kill -KILL "$pid"
    sleep 0.1
  done
  rm -f "$dir/pid"
}

put() { # put FILE PLACE
  local place=$2
  [[ $place != */ ]] || place+=${1##*/}
  local mode
  mode=$(stat -c %a "$1")
  inside install -D -m "$mode" /dev/stdin "$place" <"$1"
  [[ $place != /etc/systemd/system/* ]] || inside systemctl daemon-reload
}

add() {
  local one packages=()
  for one; do
    if [[ $one == *.deb ]]; then put "$one" /var/cache/; one=/var/cache/${one##*/}; fi
    packages+=("$one")
  done
  inside apt-get -qq update >&2
  inside apt-get -y -qq -o Dpkg::Use-Pty=0 install --no-install-recommends --reinstall --allow-downgrades \
    "${packages[@]}"
}

verb=${1:-}
[[ $# == 0 ]] || shift
case $verb:$# in
  start:0) start ;;
  stop:0) stop ;;
  put:2) put "$@" ;;
  install:[1-9]*) add "$@" ;;
  exec:[1-9]*) inside -n "$@" ;;
  *) usage "$script" "${verb:-nothing: a verb is missing}" ;;
esac
