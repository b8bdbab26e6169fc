#!/bin/sh
# Builds hanok_VERSION_all.deb of this checkout:  packaging/build-deb.sh FOLDER
#
# The package is a checkout in /usr/lib/hanok without tests and documents, its command, and units. Python packages come as from a
# checkout: at the first call, by the lock file with its hashes. With SOURCE_DATE_EPOCH the same checkout gives the same package.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
out=$(CDPATH='' cd -- "${1:?where is the package to go?}" && pwd -P)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/pyproject.toml")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
umask 022
chmod 755 "$root"

library=$root/usr/lib/hanok
mkdir -p "$root/DEBIAN" "$library" "$root/usr/bin" "$root/usr/lib/systemd/system" "$root/usr/share/doc/hanok"
cp "$here/hanok" "$here/requirements.lock" "$library/"
(cd "$here" && find src/hanok -type f ! -path '*/__pycache__/*' -print0 | sort -z | tar -c --null -T - --mode=u=rwX,go=rX) |
    tar -x -C "$library"
cp "$here/packaging/debian/hanok.sh" "$root/usr/bin/hanok"
cp "$here/packaging/debian/hanok.service" "$here/packaging/debian/hanok@.service" "$root/usr/lib/systemd/system/"
cp "$here/LICENSE" "$root/usr/share/doc/hanok/copyright"
cp "$here/README.md" "$here/CHANGELOG.md" "$root/usr/share/doc/hanok/"
chmod 755 "$root/usr/bin/hanok" "$library/hanok"
chmod 644 "$root/usr/lib/systemd/system/"* "$root/usr/share/doc/hanok/"*

size=$(du -sk "$root/usr" | cut -f1)
sed -e "s/@VERSION@/$version/" -e "s/@SIZE@/$size/" "$here/packaging/debian/control" >"$root/DEBIAN/control"
for script in postinst prerm postrm; do
    cp "$here/packaging/debian/$script" "$root/DEBIAN/$script"
    chmod 755 "$root/DEBIAN/$script"
done
if [ -n "${SOURCE_DATE_EPOCH-}" ]; then
    find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
fi
dpkg-deb --root-owner-group -Zgzip --build "$root" "$out/hanok_${version}_all.deb" >/dev/null
echo "$out/hanok_${version}_all.deb"
