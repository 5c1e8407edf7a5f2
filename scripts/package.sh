#!/usr/bin/env bash
# usage: scripts/package.sh [--quick] [--version VERSION] [--out DIR]
#
# Builds the Debian packages into DIR (build/packages): cv-backend (both programs, units, samples, documents) and
# cv-backend-nginx (the site). Unless it is to be --quick, has lintian look at them, and writes cv-backend.cdx.json: the
# bill of materials of the programs as they are in there, stripped. Installs what is missing. The same commit gives the
# same packages, byte for byte; SOURCE_DATE_EPOCH is the commit's time unless it is set. With CV_BIN_DIR (and
# CV_SITE_DIR) the programs and the collected site are taken from there instead of being built. What
# it has left in DIR before goes: the packages, their bill of materials and the folder DIR/stage.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
version=$(sed -n 's/^project(cv-backend VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
out=build/packages quick=
while (($#)); do
  case $1 in
    --quick) quick=1; shift; continue ;;
    --version) version=${2-} ;;
    --out) out=${2-} ;;
    *) usage "$script" "$1" ;;
  esac
  [[ -n ${2-} ]] || usage "$script" "$1 without a value"
  shift 2
done
[[ $version =~ ^[0-9][A-Za-z0-9.+~]*$ ]] ||
  { echo "--version $version: digits first, then letters, digits, . + ~" >&2; exit 64; }
need_packages "${package_packages[@]}"
: "${SOURCE_DATE_EPOCH:=$(git -c safe.directory="$PWD" log -1 --format=%ct 2>/dev/null || stat -c %Y CMakeLists.txt)}"
export SOURCE_DATE_EPOCH
if [[ -z ${CV_BIN_DIR:-} ]]; then
  need_packages "${build_packages[@]}"
  cmake --preset release -DBUILD_TESTING=OFF >/dev/null
  cmake --build --preset release >&2
fi
[[ -n ${CV_SITE_DIR:-} ]] || scripts/collectstatic.sh >&2

mkdir -p "$out"
out=$(readlink -f "$out") stage=$out/stage
rm -rf "$stage"
mkdir -p "$stage/debian" "$stage/bin" "$stage/scripts" "$stage/data"
cp -r deploy/debian/. "$stage/debian"
cp -r docs deploy/systemd proxy README.md CHANGELOG.md "$stage/"
cp -r scripts/lib scripts/render-proxy.sh "$stage/scripts/"
cp "${CV_BIN_DIR:-build/release/bin}"/cv-{query,health} "$stage/bin/"
cp -r "${CV_SITE_DIR:-build/site}" "$stage/site"
cp -r data/{cvs,pics} "$stage/data/"
mkdir -p "$stage/data/pdfs"
[[ ! -d data/pdfs ]] || cp -r data/pdfs "$stage/data/"
cat >"$stage/debian/changelog" <<END
cv-backend ($version) stable; urgency=medium

  * /usr/share/doc/cv-backend/CHANGELOG.md.gz says what has changed.

 -- cv-backend maintainers <cv-backend@users.noreply.github.com>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
END
rm -f "$out"/cv-backend{,-nginx}_*.deb "$out/cv-backend.cdx.json"
(cd "$stage" && DEB_BUILD_OPTIONS="noautodbgsym nocheck${DEB_BUILD_OPTIONS:+ $DEB_BUILD_OPTIONS}" \
  dpkg-buildpackage --build=binary --no-sign --no-check-builddeps >"$out/build.log" 2>&1) ||
  { tail -n 40 "$out/build.log" >&2; exit 1; }
if [[ -z $quick ]]; then
  lintian --fail-on error --tag-display-limit 0 --allow-root "$out"/cv-backend{,-nginx}_*.deb >&2
  need_packages "${security_packages[@]}"
  dpkg-deb -x "$out"/cv-backend_*.deb "$stage/root"
  python3 -B scripts/lib/sbom.py --out "$out/cv-backend.cdx.json" \
    --build "${CV_BIN_DIR:-build/release/bin}/.." "$stage"/root/usr/bin/cv-{query,health} >&2
fi
rm -rf "$stage" "$out"/cv-backend_*.{buildinfo,changes}
ls "$out"/cv-backend{,-nginx}_*.deb
