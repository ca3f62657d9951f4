#!/bin/sh
# Puts a certificate and its key where Envoy takes them anew: checked first, and both in one step. Any ACME client can call it.
set -eu
umask 027

usage='usage: install.sh DIR [CHAIN KEY]
  DIR/chain.pem and DIR/key.pem are what edge.listen.tls.certificates names. Without CHAIN and KEY, what the ACME client says:
    certbot   certbot renew --deploy-hook "install.sh DIR"
    lego      lego ... renew --renew-hook "install.sh DIR"
    acme.sh   acme.sh --install-cert -d NAME --fullchain-file F --key-file K --reloadcmd "install.sh DIR F K"
  WICKETGATE_HOSTS  names that the certificate must be for, separated by spaces. Default: any.'

refuse() { printf 'install.sh: %s: nothing was changed\n' "$1" >&2; exit 1; }

case $# in
  1)
    if [ -n "${RENEWED_LINEAGE:-}" ]; then
      chain=$RENEWED_LINEAGE/fullchain.pem key=$RENEWED_LINEAGE/privkey.pem
    elif [ -n "${LEGO_CERT_PATH:-}" ] && [ -n "${LEGO_CERT_KEY_PATH:-}" ]; then
      chain=$LEGO_CERT_PATH key=$LEGO_CERT_KEY_PATH
    else
      printf '%s\n' "$usage" >&2; exit 2
    fi ;;
  3) chain=$2 key=$3 ;;
  *) printf '%s\n' "$usage" >&2; exit 2 ;;
esac
dir=$1
[ -d "$dir" ] || refuse "$dir is no folder"

# --- checked on copies, so that what is installed is what was checked -----------------------------------------------------
new=$(mktemp -d "$dir/.pair.XXXXXXXX")
trap 'rm -rf "$new"' EXIT
cp "$chain" "$new/chain.pem" || refuse "$chain cannot be read"
cp "$key" "$new/key.pem" || refuse "$key cannot be read"
certified=$(openssl x509 -in "$new/chain.pem" -noout -pubkey 2>/dev/null) || refuse "$chain holds no certificate"
held=$(openssl pkey -in "$new/key.pem" -passin pass: -pubout 2>/dev/null) || refuse "$key holds no key without a password"
[ "$certified" = "$held" ] || refuse "$key is not the key of $chain"
openssl x509 -in "$new/chain.pem" -noout -checkend 3600 >/dev/null || refuse "$chain is expired, or will be within the hour"
for host in ${WICKETGATE_HOSTS:-}; do
  said=$(openssl x509 -in "$new/chain.pem" -noout -checkhost "$host")
  case $said in *"does match certificate"*) ;; *) refuse "$chain is not for $host" ;; esac
done

# --- put in place: Envoy watches DIR, in which one link is renamed, and finds both files new -------------------------------
# Whoever may read what is in DIR by its group may read these.
chgrp "$(stat -c %g "$dir")" "$new" "$new/chain.pem" "$new/key.pem"
chmod 0750 "$new"
chmod 0640 "$new/chain.pem" "$new/key.pem"
before=$(readlink "$dir/current" || true)
link() { ln -s "$1" "$dir/.link.$$" && mv -T "$dir/.link.$$" "$dir/$2"; }
link "$(basename "$new")" current
trap - EXIT
for file in chain.pem key.pem; do
  [ "$(readlink "$dir/$file" || true)" = "current/$file" ] || link "current/$file" "$file"
done
case $before in .pair.*) rm -rf "${dir:?}/$before" ;; esac
printf 'install.sh: %s: valid until %s\n' "$dir" "$(openssl x509 -in "$dir/chain.pem" -noout -enddate | cut -d= -f2)"
