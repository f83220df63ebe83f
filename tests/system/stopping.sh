#!/bin/sh
# SPDX-License-Identifier: ISC
# How it ends: gracefully, at once, killed; and what lives on.
. "$srcdir/system/lib.sh"

hold() { # SERVICE N
	rm -f "$T/hold"
	mkfifo "$T/hold"
	"$programs/client" hold "$(port "$1")" "$2" <"$T/hold" >"$T/held" 2>&1 &
	holder=$!
	started="$started $holder"
	exec 9>"$T/hold"
	await held "$T/held"
}
release() {
	exec 9>&-
	wait "$holder"
}
fixed_port() {
	sed -i "s/127.0.0.1:0/127.0.0.1:$(port "$1")/" "$T/preforkd.conf"
}

config <<END
stop-timeout = 20s
service "cat" { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { max = 4 } }
END
ok "preforkd starts" start
address=$(port cat)
fixed_port cat
ok "ten clients connect; four are served and six wait in the queue" hold cat 10
until_true logged 'cat: full'
kill -TERM "$daemon"
ok "a stop begins" await 'stopping'
# A client that comes now is not heard; it tries again and meets the successor.
echo successor | "$programs/client" talk "$address" >"$T/late" 2>&1 9>&- &
late=$!
ok "all ten are served before the listener ends" release
wait "$daemon"
ok "preforkd stops with status 0" test $? -eq 0
daemon=
mv "$log" "$T/first.log"
ok "the successor binds the same port" start
wait $late
ok "the client that came meanwhile was served by the successor" grep -qx successor "$T/late"
ok "preforkd stops with status 0" stop

# Whoever waits for a service that fails, and will not be tried again in time, waits for nothing.
cp "$(command -v cat)" "$T/prog"
config <<END
stop-timeout = 20s
service "fails" { listen = { "127.0.0.1:0" }  exec = { "$T/prog" }  restart-delay = "1h..1h" }
END
ok "preforkd starts" start
rm "$T/prog"
"$programs/client" talk "$(port fails)" </dev/null >/dev/null 2>&1
ok "the service fails" await 'fails: failing'
ok "a client waits" hold fails 1
ok "preforkd stops with status 0" stop
ok "and not only when its time is over" not logged 'are sent SIGTERM'
ok "the client was not served" not release

# A client is connected before it is in the queue: its handshake may take long, as a deferred accept does on purpose.
config <<END
service "defers" { listen = { "127.0.0.1:0" }  exec = { "cat" }  defer-accept = 60s }
END
ok "preforkd starts" start
ok "a client is connected and not in the queue" hold defers 1
kill -TERM "$daemon"
ok "a stop begins" await 'stopping'
"$programs/await" -m 500
ok "the client is served" release
wait "$daemon"
ok "preforkd stops with status 0" test $? -eq 0
daemon=

cat >"$T/stubborn" <<'END'
#!/bin/sh
trap '' TERM INT HUP
cat
exec sleep 1000
END
chmod 755 "$T/stubborn"
config <<END
stop-timeout = 100ms
service "stubborn" { listen = { "127.0.0.1:0" }  exec = { "$T/stubborn" } }
service "polite"   { listen = { "127.0.0.1:0" }  exec = { "sleep", "1000" } }
END
ok "preforkd starts" start
"$programs/client" talk "$(port stubborn)" </dev/null >/dev/null 2>&1 &
started="$started $!"
"$programs/client" talk "$(port polite)" </dev/null >/dev/null 2>&1 &
started="$started $!"
await_count 2 ': start id='
kill -TERM "$daemon"
ok "after stop-timeout busy workers get SIGTERM" await 'stopping: 2 workers are busy and are sent SIGTERM'
ok "a program that heeds it ends" await 'polite: end .*signal=TERM'
ok "one that does not is killed" await 'stubborn: end .*signal=KILL'
wait "$daemon"
ok "preforkd stops with status 0" test $? -eq 0
daemon=
ok "nothing of it is left" not pgrep -f "$T/stubborn"

ok "preforkd starts" start
"$programs/client" talk "$(port polite)" </dev/null >/dev/null 2>&1 &
started="$started $!"
await 'polite: start id='
stop QUIT
ok "SIGQUIT stops at once, with status 0" test $? -eq 0
ok "and ends the busy program" logged 'polite: end .*signal=TERM'

config <<END
service "cat"  { listen = { "127.0.0.1:0" }  exec = { "cat" } }
service "echo" { listen = { "127.0.0.1:0" }  builtin = "echo" }
END
ok "preforkd starts" start
cat_port=$(port cat)
echo_port=$(port echo)
ok "a client holds a connection to a program" hold cat 1
exec 8>&9
cat_holder=$holder
mv "$T/held" "$T/held.cat"
rm "$T/hold"
mkfifo "$T/hold2"
"$programs/client" hold "$echo_port" 1 <"$T/hold2" >"$T/held2" 2>&1 8>&- 9>&- &
echo_holder=$!
exec 9>"$T/hold2"
ok "and one to a built-in" await held "$T/held2"
await_count 2 ': start id='
all=$(workers)
idle=$(workers idle)
busy=$(for pid in $all; do case " $(echo $idle) " in *" $pid "*) ;; *) echo "$pid" ;; esac; done)
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
daemon=
for pid in $idle; do
	ok "the master is killed: the idle worker $pid is gone" gone "$pid"
done
sed -i "s/\"127.0.0.1:0\" }  exec/\"127.0.0.1:$cat_port\" }  exec/; s/\"127.0.0.1:0\" }  builtin/\"127.0.0.1:$echo_port\" }  builtin/" "$T/preforkd.conf"
mv "$log" "$T/killed.log"
# The new daemon must not hold the fifos open, or the clients would never hear their end.
start_anew() { start 8>&- 9>&-; }
ok "both ports can be bound at once while the connections live" start_anew
exec 8>&-
wait $cat_holder
ok "the connection to the program goes on to its end" test $? -eq 0
exec 9>&-
wait $echo_holder
ok "so does the one to the built-in" test $? -eq 0
for pid in $busy; do
	ok "and their worker $pid is gone" gone "$pid"
done
ok "the new daemon serves" answers cat new new
ok "preforkd stops with status 0" stop
finish
