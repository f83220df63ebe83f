#!/bin/sh
# SPDX-License-Identifier: ISC
# Times and loads at which nobody is served.
. "$srcdir/system/lib.sh"

# A day that is neither today nor next to it, whatever the clock does meanwhile.
far=$(LC_ALL=C date -d '3 days' +%a)
config <<END
service "always" { listen = { "127.0.0.1:0" }  builtin = "echo"  access-times = { "00:00-24:00" } }
service "never"  { listen = { "127.0.0.1:0" }  builtin = "echo"  access-times = { "$far 10:00-11:00" } }
service "load"   { listen = { "127.0.0.1:0" }  builtin = "echo"  max-load = 0 }
service "calm"   { listen = { "127.0.0.1:0" }  builtin = "echo"  max-load = 100000 }
END
ok "preforkd starts" start
ok "within its access-times a service serves" answers always hello hello
ok "outside of them it refuses" eval '[ "$("$programs/client" state "$(port never)")" = closed ]'
ok "with that reason" await 'never: refused peer=127.0.0.1:[0-9]+ reason=hours'
ok "a load below max-load is no reason" answers calm hello hello

sed -i "s/access-times = { \"$far.*\" }/access-times = { \"00:00-24:00\" }/" "$T/preforkd.conf"
ok "after a reload with other times" reload
ok "it serves" answers never hello hello

# The one-minute load is never quite 0 for long; where it is, there is nothing to see.
if [ "$(cut -d ' ' -f 1 /proc/loadavg)" = 0.00 ]; then
	skip "a load above max-load is a reason" "the load is 0.00"
else
	ok "a load above max-load is a reason" eval '[ "$("$programs/client" state "$(port load)")" = closed ]'
	ok "that is logged" await 'load: refused peer=127.0.0.1:[0-9]+ reason=load'
fi
ok "preforkd stops with status 0" stop
finish
