#!/bin/sh
# Makes the secrets of compose.stores.yaml in a directory that only you can enter. What is there already stays: a store
# that has been started once knows no others.
set -eu
directory=${1:?the directory that compose.stores.yaml looks in: deploy/container/secrets}
mkdir -p "$directory"
chmod 700 "$directory"
cd "$directory"
hex() { od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'; }
# Readable by the accounts of the containers, which see the files and not the directory.
keep() {
  [ -s "$1" ] || { cat > "$1.new" && chmod "$2" "$1.new" && mv "$1.new" "$1"; }
}
hex 24 | keep postgres-password 444
printf 'GK%s' "$(hex 16)" | keep s3-key-id 444
hex 32 | keep s3-secret 444
hex 32 | keep rpc-secret 400
printf 'postgres://ocm:%s@postgres/ocm\n' "$(cat postgres-password)" | keep catalog-url 444
printf 'GARAGE_RPC_SECRET=%s\nGARAGE_DEFAULT_ACCESS_KEY=%s\nGARAGE_DEFAULT_SECRET_KEY=%s\n' \
  "$(cat rpc-secret)" "$(cat s3-key-id)" "$(cat s3-secret)" | keep garage.env 400
