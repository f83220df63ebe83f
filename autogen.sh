#!/bin/sh
# Makes configure. Needs autoconf, automake, libtool, pkg-config and autoconf-archive's macros, which are in m4/.
set -e
cd "$(dirname "$0")"
exec autoreconf --install --force
