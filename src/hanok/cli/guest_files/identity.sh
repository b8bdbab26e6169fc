# Who this guest is: from the config drive, else from the metadata address, by IPv4 or on the link of a card by IPv6.
SERVICE=http://169.254.169.254
found=/run/identity

# The text of a top-level member of a JSON document on one line.
member() { sed -n 's/.*"'"$1"'": *"\([^"]*\)".*/\1/p' "$2" | head -n 1; }

# Every string in a JSON document that is a public key of ssh.
keys() { grep -o '"\(ssh-\|ecdsa-\|sk-\)[^"]*"' "$1" | sed 's/^"//; s/"$//; s/\(\\n\)*$//' | sort -u; }

fetch() { timeout 5 wget -q -O "$2" "$SERVICE/$1" 2>/dev/null || { rm -f "$2"; return 1; }; }

from_config_drive() {
    drive=$(findfs LABEL=config-2 2>/dev/null) || return 1
    # So that who may not read it finds it by its label, too.
    mkdir -p /dev/disk/by-label && ln -sf "$drive" /dev/disk/by-label/config-2
    mkdir -p /run/config-2
    mount -o ro "$drive" /run/config-2 2>/dev/null || return 1
    cp /run/config-2/openstack/latest/meta_data.json $found/meta_data.json 2>/dev/null
    cp /run/config-2/openstack/latest/user_data $found/user_data 2>/dev/null
    cp -r /run/config-2/openstack/content $found/content 2>/dev/null
    umount /run/config-2
    [ -s $found/meta_data.json ]
}

from_service() {
    services=
    for card in "$@"; do
        [ -n "$(ip -6 -o addr show dev $card scope link)" ] && services="$services http://[fe80::a9fe:a9fe%$card]"
    done
    [ -n "$(ip -4 -o addr show scope global)" ] && services="$SERVICE $services"
    [ -n "$services" ] || return 1
    for try in 1 2 3 4 5; do
        for SERVICE in $services; do
            if fetch openstack/latest/meta_data.json $found/meta_data.json; then
                fetch openstack/latest/user_data $found/user_data
                return 0
            fi
        done
        sleep 1
    done
    return 1
}

# The files that the request for this guest gave it: what is not on the config drive is asked for.
write_files() {
    grep -o '{"path":"[^"\\]*","content_path":"[^"\\]*"}' $found/meta_data.json |
    while IFS='"' read -r _ _ _ path _ _ _ content _; do
        [ -f "$found$content" ] || { mkdir -p $found/content; fetch "openstack$content" "$found$content"; }
        mkdir -p "$(dirname "$path")" && cp "$found$content" "$path" && say "wrote $path"
    done
}

name_host() {
    name=${1%%.*}
    [ -n "$name" ] || return
    echo "$name" > /etc/hostname
    hostname "$name"
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" > /etc/hosts
}

identify() {
    mkdir -p -m 700 $found
    if from_config_drive; then
        say "identity from the config drive"
    elif from_service "$@"; then
        say "identity from $SERVICE"
    else
        say "no config drive and no answer from $SERVICE"
        return
    fi
    name_host "$(member hostname $found/meta_data.json)"
    id=$(member uuid $found/meta_data.json)
    keys $found/meta_data.json > $found/keys
    if [ -s $found/keys ]; then
        mkdir -p -m 700 /home/cirros/.ssh
        cp $found/keys /home/cirros/.ssh/authorized_keys
        chmod 600 /home/cirros/.ssh/authorized_keys
        chown -R cirros:cirros /home/cirros/.ssh
        say "$(wc -l < $found/keys) ssh key(s)"
    fi
    # User data runs once for each identity: an image made from this guest runs its own.
    mkdir -p /var/lib/hanok
    [ "$(cat /var/lib/hanok/identity 2>/dev/null)" = "$id" ] && return
    echo "$id" > /var/lib/hanok/identity
    write_files
    if [ -s $found/user_data ]; then
        mv $found/user_data /var/lib/hanok/user_data
        chmod 700 /var/lib/hanok/user_data
        case "$(head -c 2 /var/lib/hanok/user_data)" in
            '#!') say "user data runs"
                  /var/lib/hanok/user_data || say "user data ended with status $?" ;;
            *) say "user data is not a script: it is in /var/lib/hanok/user_data" ;;
        esac
    fi
}
