#!/bin/sh
# Makes the one image of all containers:  packaging/containers/build.sh FOLDER [simulated]
#
# FOLDER gets root.tar (870 MB: Debian's packages, the Python packages of the lock file, this checkout's wheel) and Containerfile; then
# podman build -t hanok FOLDER. No registry of images is asked. With "simulated" the engines are left out.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
out=$(CDPATH='' cd -- "${1:?where is the image to go?}" && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=${PYTHON:-python3}

packages=python3,ca-certificates,procps
if [ "${2-}" != simulated ]; then
    engines=$(sed -n 's/^Recommends: //p' "$here/packaging/debian/control" | tr -d ' ')
    packages=$packages,kmod,$engines
fi

# What is built here has to run by the image's Python, which is Debian 12's.
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
    echo 'build.sh: Python 3.11 is needed (Debian 12 has it; or: PYTHON=python3.11)' >&2
    exit 1
}
pip() { "$python" -m pip --disable-pip-version-check --no-input -q "$@"; }
site=$work/lib/hanok
mkdir -p "$site" "$work/source"
cp -R "$here/src" "$here/pyproject.toml" "$here/README.md" "$here/LICENSE" "$here/MANIFEST.in" "$work/source/"
pip install --require-hashes --target "$site" -r "$here/requirements.lock"
pip wheel --no-deps -w "$work" "$work/source"
pip install --no-deps --target "$site" "$work"/hanok-*.whl
rm -rf "$site/bin"
for script in packaging/containers/hanok.sh packaging/containers/cloud.sh packaging/entrypoint.sh; do
    cp "$here/$script" "$work/"
    chmod 755 "$work/${script##*/}"
done

chmod -R u=rwX,go=rX "$site"
mmdebstrap --quiet --variant=minbase --include="$packages" \
    --customize-hook="copy-in $work/lib/hanok /usr/lib" \
    --customize-hook="upload $work/hanok.sh /usr/bin/hanok" \
    --customize-hook="upload $work/cloud.sh /usr/bin/hanok-cloud" \
    --customize-hook="upload $work/entrypoint.sh /usr/bin/hanok-simulated" \
    --customize-hook='chmod 755 "$1"/usr/bin/hanok*; install -d -o 65534 -g 65534 "$1/var/lib/cloud"' \
    --customize-hook='rm -rf "$1/var/lib/apt/lists"/* "$1/var/cache/apt"/*' \
    bookworm "$out/root.tar"
cp "$here/packaging/containers/Containerfile" "$out/"
