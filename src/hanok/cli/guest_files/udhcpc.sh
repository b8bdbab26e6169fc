#!/bin/sh
# What udhcpc calls with an answer: address, routes (option 121 wins over the router), MTU, name servers.
case "$1" in
deconfig)
    ip -4 addr flush dev $interface
    ;;
bound | renew)
    ip -4 addr flush dev $interface
    ip addr add $ip/$mask dev $interface
    [ -n "$mtu" ] && ip link set $interface mtu $mtu
    if [ -n "$staticroutes" ]; then
        set -- $staticroutes
        while [ $# -gt 1 ]; do
            if [ "$2" = 0.0.0.0 ]; then ip route add $1 dev $interface; else ip route add $1 via $2 dev $interface; fi
            shift 2
        done
    else
        for router in $router; do ip route add default via $router dev $interface && break; done
    fi 2>/dev/null
    { [ -n "$domain" ] && echo "search $domain"; for server in $dns; do echo "nameserver $server"; done; } > /etc/resolv.conf
    ;;
esac
exit 0
