#!/bin/sh
# The command of the image: the wheel and its packages, by Debian's Python.
PYTHONPATH=/usr/lib/hanok exec /usr/bin/python3 -P -m hanok.cli "$@"
