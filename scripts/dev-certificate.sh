#!/usr/bin/env bash
# usage: scripts/dev-certificate.sh DIR
#
# Makes DIR/cert.pem and DIR/key.pem for localhost, its subdomains, 127.0.0.1 and ::1, and the authority that signs
# them, DIR/ca.pem, unless they are there, fit together and are good for another week. For development alone: the
# authority's key stays in DIR. Says how a browser is told to trust it.
set -euo pipefail
script=$(readlink -f "$0")
root=$(dirname "$(dirname "$script")")
# shellcheck source=scripts/lib/usage.sh
. "$root/scripts/lib/usage.sh"
[[ $# == 1 && $1 != -* ]] || usage "$script" "${1:-nothing: DIR is missing}"
dir=$1
command -v openssl >/dev/null || { echo "dev-certificate.sh: needs openssl" >&2; exit 69; }
umask 077
mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9 # one at a time, or the files of two would be mixed
if [[ -s $dir/key.pem ]] && openssl x509 -in "$dir/cert.pem" -noout -checkend 604800 >/dev/null 2>&1 &&
  openssl verify -CAfile "$dir/ca.pem" "$dir/cert.pem" >/dev/null 2>&1 &&
  [[ $(openssl x509 -in "$dir/cert.pem" -noout -pubkey) == "$(openssl pkey -in "$dir/key.pem" -pubout 2>/dev/null)" ]]; then
  exit
fi
said=$(mktemp)
trap '(($? == 0)) || cat "$said" >&2; rm -f "$said"' EXIT
key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc)
openssl req -x509 "${key[@]}" -keyout "$dir/ca-key.pem" -out "$dir/ca.pem" -days 397 \
  -subj "/CN=cv-backend development on $(uname -n | cut -c1-30)" \
  -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign' \
  -addext "nameConstraints=critical,$(printf 'permitted;%s,' DNS:localhost DNS:testserver IP:127.0.0.1/255.255.255.255)permitted;IP:::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" \
  2>>"$said"
openssl req "${key[@]}" -keyout "$dir/key.pem" -subj /CN=localhost 2>>"$said" |
  openssl x509 -req -CA "$dir/ca.pem" -CAkey "$dir/ca-key.pem" -days 396 -out "$dir/cert.pem" -extfile <(
    echo 'subjectAltName=DNS:localhost,DNS:*.localhost,DNS:testserver,IP:127.0.0.1,IP:::1'
    echo 'basicConstraints=critical,CA:FALSE'
    echo 'keyUsage=critical,digitalSignature'
    echo 'extendedKeyUsage=serverAuth'
  ) 2>>"$said"
cat >&2 <<EOF
A certificate for development was made in $dir. A browser warns of it until it trusts $dir/ca.pem:
  Chromium:  mkdir -p \$HOME/.pki/nssdb && certutil -d sql:\$HOME/.pki/nssdb -A -t C,, -n cv-backend -i $dir/ca.pem   (Debian: libnss3-tools)
  Firefox:   Settings, Certificates, Authorities, Import
EOF
