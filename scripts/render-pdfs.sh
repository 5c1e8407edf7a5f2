#!/usr/bin/env bash
# usage: scripts/render-pdfs.sh [--url URL] [--out DIR]
#
# Prints the page of every person in every language there is to DIR/PERSON.pdf (English) and DIR/PERSON_LANG.pdf with
# headless Chromium: A4, tagged, with title and bookmarks. DIR is the data folder's pdfs/ unless given; the service
# serves what lies there, at once. Without --url it starts a service and nginx of its own with the data of CV_DATA_DIR
# (data); with it, it prints from a running edge and waits when that asks for it (429). A file is replaced whole or not
# at all; others are left alone. A page that fails does not end the run: it is told at the end, with status 1. Installs
# what is missing. Safe to run again.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
url='' out=${CV_DATA_DIR:-data}/pdfs
while (($#)); do
  case $1 in
    --url | --out) [[ -n ${2-} ]] || { echo "render-pdfs.sh: $1 needs a value" >&2; exit 64; } ;;&
    --url) url=$2 ;;
    --out) out=$(from_caller "$2") ;;
    *) usage "$script" "$1" ;;
  esac
  shift 2
done
need_packages "${pdf_packages[@]}" python3
if [[ -z $url ]]; then
  need_packages "${proxy_packages[@]}" curl
  scripts/collectstatic.sh
  coproc stack { exec scripts/lib/private-stack.sh; }
  pid=$! # the variables of a coproc go when it ends
  trap 'kill "$pid" 2>/dev/null && wait "$pid" || true' EXIT
  { [[ -n ${stack[0]-} ]] && read -r _ url <&"${stack[0]}"; } ||
    { echo "render-pdfs.sh: nothing to print from" >&2; exit 69; }
fi
mkdir -p "$out"
/usr/bin/python3 scripts/lib/print_pdfs.py "${url%/}" "$out"
