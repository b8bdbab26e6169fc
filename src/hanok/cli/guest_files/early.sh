#!/bin/sh
# The first program of the guest: load the disk drivers, let the root partition fill the disk, hand over.
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in $(cat /modules/order); do
    insmod /modules/$module.ko
done

tries=0
root=
while [ -z "$root" ] && [ $tries -lt 100 ]; do
    root=$(findfs LABEL=hanok-root 2>/dev/null) || { root=; usleep 50000; tries=$((tries + 1)); }
done
if [ -z "$root" ]; then
    echo "No disk with a partition labelled hanok-root was found."
    exec sh
fi

# Partition 2 is the last: its sector count is the four bytes, little endian, at offset 474 of the disk.
disk=${root%2}
sectors=$(cat /sys/block/${disk#/dev/}/size)
start=$(cat /sys/block/${disk#/dev/}/${root#/dev/}/start)
old=$(cat /sys/block/${disk#/dev/}/${root#/dev/}/size)
new=$((sectors - start))
[ $new -gt 4294967295 ] && new=4294967295
if [ $new -gt $old ]; then
    hex=$(printf '%08x' $new)
    bytes="\\x${hex#??????}"
    rest=${hex%??}; bytes="$bytes\\x${rest#????}"
    rest=${rest%??}; bytes="$bytes\\x${rest#??}"
    rest=${rest%??}; bytes="$bytes\\x$rest"
    printf "$bytes" | dd of=$disk bs=1 seek=474 conv=notrunc 2>/dev/null
    blockdev --rereadpt $disk
    usleep 100000
    grown=1
fi

mount -t ext4 -o rw,noatime $root /root || exec sh
mkdir -p /root/run
mount -t tmpfs -o mode=755,size=8m run /root/run
[ -n "$grown" ] && echo $root > /root/run/grown
mount --move /dev /root/dev
mount --move /proc /root/proc
mount --move /sys /root/sys
exec switch_root /root /sbin/init
