#!/bin/sh
# The secrets of compose.yaml, made once in deploy/secrets; a file that is there already is left as it is.
# Keep a copy elsewhere: without pupil_key no file can be sent again under the same pupils, without identity_key no name
# can be read any more.
set -eu
directory=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)/secrets
mkdir -p "$directory"
# The directory keeps the other users of this machine out. The files are readable: a container's user has another id.
chmod 0700 "$directory"

random() { # 64 characters, which every secret of the product takes
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

keep() { # keep NAME VALUE: write the secret NAME unless it exists
    if [ ! -e "$directory/$1" ]; then
        (umask 022 && printf '%s' "$2" >"$directory/$1.new")
        mv "$directory/$1.new" "$directory/$1"
        echo "made $directory/$1"
    fi
}

for name in admin_key pupil_key identity_key grafana_password postgres_password; do
    keep "$name" "$(random)"
done
keep database_url "postgresql://markledger:$(cat "$directory/postgres_password")@postgres:5432/markledger"
