#!/bin/sh
# Runs `hanok up --foreground …` outside of the container's control groups, until the container is stopped.
#
# With HANOK_TOKEN, the line of `hanok token`, this machine joins that cloud first, unless it has.
#
# Whoever ends a container that has no process ids of its own ends all that is in its groups. Guests and their network are to go on
# when it is replaced, as they do when a checkout's cloud is down: they live in groups of the machine's, called hanok.
set -u
state=/var/lib/hanok/default

leave() {
    trees=/sys/fs/cgroup/* # of version 1, one a controller
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || trees=/sys/fs/cgroup
    for tree in $trees; do
        [ -w "$tree/cgroup.procs" ] || continue
        mkdir -p "$tree/hanok" || continue
        for name in cpuset.mems cpuset.cpus; do # version 1 lets nobody into a group without
            if [ -s "$tree/$name" ] && [ -w "$tree/hanok/$name" ]; then
                cat "$tree/$name" >"$tree/hanok/$name"
            fi
        done
        echo $$ >"$tree/hanok/cgroup.procs" || echo "hanok: guests end with this container: $tree" >&2
    done
}

if [ "${1-}" = --inside ]; then
    shift
    leave
    if [ -n "${HANOK_TOKEN-}" ] && [ ! -e "$state/node/tls/server-cert.pem" ]; then
        /usr/bin/hanok join "$HANOK_TOKEN" --state-dir "$state" || exit
    fi
    exec /usr/bin/hanok "$@"
fi
"$0" --inside "$@" &
child=$!
trap 'kill -TERM "$child"' TERM INT
wait "$child"
status=$?
while [ "$status" -gt 128 ] && kill -0 "$child" 2>/dev/null; do # our own signal ended the wait, not the child
    wait "$child"
    status=$?
done
exit "$status"
