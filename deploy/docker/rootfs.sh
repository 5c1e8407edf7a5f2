#!/bin/sh
# usage: rootfs.sh DIR PROGRAM…
#
# Makes a root file system in DIR that holds the programs and what they need to run: the libraries they are linked
# with, the certificates of the public authorities, users and name look-up. No shell, no package manager.
set -eu
root=$1
shift
mkdir -p "$root/etc/ssl/certs" "$root/usr/bin" "$root/usr/lib/ssl" "$root/usr/lib64" "$root/var/lib"
mkdir -m 1777 "$root/tmp"
mkdir "$root/run"
ln -s usr/bin "$root/bin"
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"
for program; do
  strip -o "$root/usr/bin/${program##*/}" "$program"
done
ldd "$@" | grep -o '/lib[^ ]*' | sort -u | while read -r library; do
  install -D -m 0755 "$library" "$root/usr$library" # /lib is /usr/lib
done
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
ln -s /etc/ssl/certs/ca-certificates.crt "$root/usr/lib/ssl/cert.pem" # where OpenSSL looks
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
printf '%s\n' 'root:x:0:0::/:/nonexistent' 'cv-backend:x:10001:10001::/var/lib/cv-backend:/nonexistent' \
  >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'cv-backend:x:10001:' >"$root/etc/group"
