#!/bin/sh
# The command of the Debian package: the same as ./hanok of a checkout.
here=$(dirname -- "$(readlink -f -- "$0")")
HANOK_PACKAGED=1 exec "$here/../lib/hanok/hanok" "$@"
