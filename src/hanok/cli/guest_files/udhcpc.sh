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
    # Of several cards the first is the way out, whichever hears an answer first.
    metric=${interface#eth}
    if [ -n "$staticroutes" ]; then
        set -- $staticroutes
        while [ $# -gt 1 ]; do
            if [ "$2" = 0.0.0.0 ]; then way="dev $interface"; else way="via $2 dev $interface"; fi
            ip route add $1 $way metric $metric
            shift 2
        done
    else
        for router in $router; do ip route add default via $router dev $interface metric $metric && break; done
    fi 2>/dev/null
    { [ -n "$domain" ] && echo "search $domain"; for server in $dns; do echo "nameserver $server"; done; } > /etc/resolv.conf
    ;;
esac
exit 0
