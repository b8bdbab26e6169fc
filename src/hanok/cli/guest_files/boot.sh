#!/bin/sh
# Runs once at each start, before the login prompt: drivers, network, who am I, user data.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
say() { echo "guest: $*"; }

mount -t devpts -o gid=5,mode=620 devpts /dev/pts 2>/dev/null || { mkdir -p /dev/pts; mount -t devpts devpts /dev/pts; }
modprobe -a virtio_net isofs vfat button evdev virtio_rng virtio_balloon virtio_console 2>/dev/null
hostname -F /etc/hostname
ip link set lo up

# A key of its own for each guest, and only once.
mkdir -p /etc/dropbear
[ -s /etc/dropbear/ed25519 ] || dropbearkey -t ed25519 -f /etc/dropbear/ed25519 >/dev/null 2>&1

cards=
for card in /sys/class/net/*; do
    card=${card##*/}
    [ -e /sys/class/net/$card/device ] || continue
    cards="$cards $card"
    ip link set $card up
    # The first three questions go out now; without an answer it goes on asking in the background.
    udhcpc -i $card -t 3 -T 1 -A 10 -b -O staticroutes -O mtu -s /etc/udhcpc.sh -p /run/udhcpc.$card.pid >/dev/null 2>&1 &
    eval "dhcp_$card=$!"
done
for card in $cards; do
    eval "wait \$dhcp_$card"
    address=$(ip -4 -o addr show dev $card | sed -n 's/.*inet \([^ ]*\).*/\1/p')
    say "$card ${address:-has no address}"
done

. /etc/hanok/identity.sh
identify $cards

dropbear -r /etc/dropbear/ed25519
acpid >/dev/null 2>&1
dmesg -n 4
say "ready after $(cut -d. -f1 /proc/uptime) s"
