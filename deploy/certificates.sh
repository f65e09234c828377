#!/bin/sh
# Make an authority, and certificates signed by it for the NATS servers and for the proxy:
#
#   deploy/certificates.sh FOLDER PROXY-NAME [NATS-NAME...]
#
# Names may be addresses. What is there stays; certificates end after two years, the authority after ten.
set -eu
umask 077
folder=$1 proxy=$2
shift 2
[ $# -gt 0 ] || set -- nats-1 nats-2 nats-3

names() { # as a certificate lists them
    for name in "$@"; do
        case $name in
        *[!0-9.]*) printf 'DNS:%s,' "$name" ;;
        *) printf 'IP:%s,' "$name" ;;
        esac
    done | sed 's/,$//'
}

key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

sign() { # FILE NAME...
    file=$1
    shift
    [ ! -e "$folder/$file.pem" ] || return 0
    key "$folder/$file.key"
    openssl req -new -key "$folder/$file.key" -subj "/CN=$1" |
        openssl x509 -req -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -days 730 -out "$folder/$file.pem" -extfile /dev/fd/3 3<<-END
		subjectAltName = $(names "$@")
		extendedKeyUsage = serverAuth, clientAuth
		keyUsage = critical, digitalSignature
		basicConstraints = critical, CA:FALSE
		authorityKeyIdentifier = keyid
		END
}

mkdir -p "$folder"
if [ ! -e "$folder/ca.pem" ]; then
    key "$folder/ca.key"
    openssl req -new -x509 -key "$folder/ca.key" -subj "/CN=lastword" -days 3650 -out "$folder/ca.pem" \
        -addext "keyUsage = critical, keyCertSign, cRLSign"
fi
sign nats "$@"
sign proxy "$proxy" proxy # its name among containers as well
# Behind the folder's door, which is closed to all but its owner; containers read them under other names.
chmod 700 "$folder"
chmod 644 "$folder"/*.pem "$folder"/nats.key "$folder"/proxy.key
