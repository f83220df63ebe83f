#!/bin/sh
# SPDX-License-Identifier: ISC
# Every byte arrives, in both directions, whoever closes first.
. "$srcdir/system/lib.sh"

config <<END
service "cat"   { listen = { "127.0.0.1:0" }  exec = { "cat" } }
service "flood" { listen = { "127.0.0.1:0" }  exec = { "head", "-c", "50000000", "/dev/zero" } }
service "path"  { listen = { "$T/socket" }  exec = { "cat" } }
service "echo"  { listen = { "127.0.0.1:0" }  builtin = "echo" }
END

ok "preforkd starts" start
ok "a client that shuts its writing side still gets its line" answers cat "half-close" "half-close"
ok "64 MB go through cat unchanged" "$programs/client" echo "$(port cat)" 67108864
ok "64 MB go through the built-in echo unchanged" "$programs/client" echo "$(port echo)" 67108864
ok "8 MB go through a path unchanged" "$programs/client" echo "$T/socket" 8388608

counts() { [ "$("$programs/client" count "$(port flood)")" -eq 50000000 ]; }
ok "50 MB of a program that exits at once arrive whole" counts

ok "preforkd stops with status 0" stop
ok "the path is removed" test ! -e "$T/socket"
finish
