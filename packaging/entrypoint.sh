#!/bin/sh
# Runs a simulated cloud until the container is stopped. HANOK_HOSTS, HANOK_LAYOUT, HANOK_PORT, HANOK_LISTEN.
set -eu
exec hanok up --simulated --foreground \
    --listen "${HANOK_LISTEN:-0.0.0.0}" --port "${HANOK_PORT:-5000}" --hosts "${HANOK_HOSTS:-1}" \
    ${HANOK_LAYOUT:+--layout "$HANOK_LAYOUT"} "$@"
