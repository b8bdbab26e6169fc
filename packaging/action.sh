#!/usr/bin/env bash
# The step of action.yml: starts a simulated cloud that later steps find by OS_CLIENT_CONFIG_FILE and OS_CLOUD.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=${RUNNER_TEMP:-/tmp}/hanok-cloud

"$here/hanok" up --simulated --state-dir "$state" --hosts "${HANOK_HOSTS:-1}" --port "${HANOK_PORT:-5000}" \
    ${HANOK_LAYOUT:+--layout "$HANOK_LAYOUT"}

cloud=hanok
[ "${HANOK_LAYOUT:-}" = devstack ] && cloud=devstack-admin
{
    echo "OS_CLIENT_CONFIG_FILE=$state/clouds.yaml"
    echo "OS_CLOUD=$cloud"
} >>"${GITHUB_ENV:-/dev/null}"
{
    echo "url=http://127.0.0.1:${HANOK_PORT:-5000}"
    echo "clouds-yaml=$state/clouds.yaml"
} >>"${GITHUB_OUTPUT:-/dev/null}"
