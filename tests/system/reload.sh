#!/bin/sh
# SPDX-License-Identifier: ISC
# A reload is all or nothing, touches only what changed, and loses nobody.
. "$srcdir/system/lib.sh"

hold() { # PORT N NAME
	mkfifo "$T/hold.$3"
	"$programs/client" hold "$1" "$2" <"$T/hold.$3" >"$T/held.$3" 2>&1 7>&- 8>&- 9>&- &
	eval "holder_$3=\$!"
	started="$started $!"
	exec 9>"$T/hold.$3"
	await held "$T/held.$3"
}
release() { # NAME
	exec 9>&-
	eval "wait \$holder_$1"
}

config <<END
service "same"    { listen = { "127.0.0.1:0" }  exec = { "cat" } }
service "changes" { listen = { "127.0.0.1:0" }  exec = { "echo", "old" } }
service "goes"    { listen = { "127.0.0.1:0" }  exec = { "cat" } }
service "moves"   { listen = { "127.0.0.1:0" }  builtin = "echo" }
END
ok "preforkd starts" start
same=$(workers same:)
old=$(port goes)
ok "the old program answers" says changes old
ok "a client holds a connection of the service that goes" hold "$old" 1 goes

cat >"$T/preforkd.conf" <<END
defaults { user = "$user" }
service "same"    { listen = { "127.0.0.1:0" }  exec = { "cat" } }
service "changes" { listen = { "127.0.0.1:0" }  exec = { "echo", "new" } }
service "moves"   { listen = { "127.0.0.1:0", "127.0.0.2:0" }  builtin = "echo" }
service "comes"   { listen = { "127.0.0.1:0" }  exec = { "cat" } }
END
ok "a reload is done" reload
ok "it says what it did" logged 'reload: done: 1 added, 2 changed, 1 removed, 1 unchanged'
ok "one line for what changed, with the keys" logged 'reload: changes: changed \(exec\), generation 2'
ok "one line for what has other addresses" logged 'reload: moves: changed \(listen\), generation 2'
ok "one line for what was added" logged 'reload: comes: added'
ok "one line for what was removed" logged 'reload: goes: removed'
ok "no line for what did not change" not logged 'reload: same:'
ok "the unchanged service keeps its very workers" test "$(workers same:)" = "$same"
ok "the changed one answers anew on the same port" says changes new
ok "the added one serves" answers comes hello hello
ok "the connection of the removed one lives on to its end" release goes
refused_now() { ! "$programs/client" talk "$old" </dev/null 2>"$T/refused" && grep -q refused "$T/refused"; }
ok "the removed port is closed" until_true refused_now

echo 'service "bad" { listen = { "127.0.0.1:0" }  exec = { "no-such-program-here" }  backlg = 3 }' >>"$T/preforkd.conf"
ok "a bad configuration is refused" reload
ok "with file and line and a hint" logged 'error: reload: .*preforkd.conf:6: unknown key backlg; did you mean backlog\?'
ok "and that the old one stays" logged 'reload: refused; the old configuration stays'
ok "the old one still serves" says changes new

sed -i '$d' "$T/preforkd.conf"
taken=$(port same)
cat >>"$T/preforkd.conf" <<END
service "other" { listen = { "127.0.0.1:0", "192.0.2.1:7" }  exec = { "cat" } }
END
sed -i 's/"new"/"newer"/' "$T/preforkd.conf"
ok "an address that cannot be bound refuses the reload" reload
ok "with its reason" logged 'preforkd.conf:6: service other: cannot bind 192.0.2.1:7: Cannot assign requested address'
ok "nothing of it was applied" says changes new
sed -i '$d' "$T/preforkd.conf"
ok "without it the reload is done" reload
ok "and applied" says changes newer

ok "a reload without a change" reload
ok "changes nothing" logged 'reload: done: 0 added, 0 changed, 0 removed, 4 unchanged'
ok "preforkd stops with status 0" stop

# The queue of a carried listener.
config <<END
service "slow" { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { max = 1 } }
END
ok "preforkd starts" start
ok "one is served, four wait in the queue" hold "$(port slow)" 5 queue
until_true logged 'slow: full'
config <<END
service "slow" { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { max = 2 }  environment = { "A=b" } }
END
ok "the service changes" reload
ok "all five are served, the first by the old generation" release queue
ok "preforkd stops with status 0" stop

# An address of ours that is in the way of a new one.
config <<END
service "web" { listen = { "*:0" }  exec = { "cat" } }
END
ok "preforkd starts" start
p=$(port web)
sed -i "s/\*:0/*:$p/" "$T/preforkd.conf"
ok "port 0 becomes the number that the system had chosen" reload
ok "and it serves" eval '[ "$(echo x | "$programs/client" talk '"$p"')" = x ]'
echo waiting | "$programs/client" hammer "$p" 4000 8 >"$T/hammer" 2>&1 &
hammer=$!
sed -i "s/\*:$p/127.0.0.1:$p/" "$T/preforkd.conf"
ok "*:$p becomes 127.0.0.1:$p under load" reload
ok "the reload is done" await_count 2 'reload: done'
sed -i "s/127.0.0.1:$p/*:$p/" "$T/preforkd.conf"
ok "127.0.0.1:$p becomes *:$p under load" reload
sed -i "s/exec = /nodelay = yes  exec = /" "$T/preforkd.conf"
ok "an option is set under load" reload
sed -i "s/nodelay = yes//" "$T/preforkd.conf"
ok "and goes back to the system's own under load, which needs a new socket" reload
sed -i "s/\*:$p/127.0.0.1:$p/" "$T/preforkd.conf"
ok "*:$p becomes 127.0.0.1:$p again" reload
wait $hammer
ok "not one connection was lost" test $? -eq 0
note <"$T/hammer"
ok "all five reloads were done" lines 6 'reload: done'
cat >"$T/preforkd.conf" <<END
defaults { user = "$user" }
service "web" { listen = { "*:$p", "192.0.2.1:$p" }  exec = { "cat" }  reuse-port = yes }
END
ok "the way back, with an address that cannot be had" reload
ok "is refused" await_count 1 'reload: refused'
ok "and 127.0.0.1:$p serves as before" eval '[ "$(echo y | "$programs/client" talk '"$p"')" = y ]'

# Options of an unchanged address change while it listens.
cat >"$T/preforkd.conf" <<END
defaults { user = "$user" }
service "web" { listen = { "127.0.0.1:$p" }  exec = { "cat" }  backlog = 5 }
END
ok "a new backlog" reload
ok "is read back" eval '[ "$(ss -Hltn "sport = :'"$p"'" | awk "{ print \$3 }")" = 5 ]'
cat >"$T/preforkd.conf" <<END
defaults { user = "$user" }
service "web" { listen = { "127.0.0.1:$p" }  exec = { "cat" }  enabled = no }
service "on"  { listen = { "127.0.0.1:0" }  exec = { "cat" } }
END
ok "a service is switched off" reload
ok "its port is closed" until_true eval '! "$programs/client" talk '"$p"' </dev/null 2>/dev/null'
sed -i 's/enabled = no/enabled = yes/' "$T/preforkd.conf"
ok "and on again" reload
ok "it serves" eval '[ "$(echo z | "$programs/client" talk '"$p"')" = z ]'
ok "preforkd stops with status 0" stop

# Services that come back while their listeners still drain.
config <<END
service "back"  { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { max = 2 } }
service "other" { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { max = 2 }  keepalive = yes }
service "name"  { listen = { "@preforkd-reload-$$" }  exec = { "cat" }  workers { max = 2 } }
service "stays" { listen = { "127.0.0.1:0" }  exec = { "cat" } }
END
ok "preforkd starts" start
for s in back other; do eval "$s=\$(port $s)"; sed -i "/\"$s\"/s/127.0.0.1:0/127.0.0.1:$(port $s)/" "$T/preforkd.conf"; done
cp "$T/preforkd.conf" "$T/whole.conf"
hold "$back" 3 back
exec 7>&9
hold "$other" 3 other
exec 8>&9
hold "@preforkd-reload-$$" 3 name
ok "each serves two and lets one wait" await_count 3 '(back|other|name): full'
sed -i '/back\|other\|name/d' "$T/preforkd.conf"
ok "they are removed" reload
sed 's/keepalive = yes//' "$T/whole.conf" >"$T/preforkd.conf"
ok "and put back" reload
ok "which is done" lines 2 'reload: done'
quickly() { [ "$(echo "$2" | "$programs/client" talk "$1" 7>&- 8>&- 9>&-)" = "$2" ]; }
ok "a new client is served while the old listener's waits" quickly "$back" one
ok "also on a new listener beside the old one" quickly "$other" two
ok "a name is free when its last listener is drained" await 'name: waits for the address @preforkd-reload-.*: Address already in use'
exec 7>&-
exec 8>&-
wait $holder_back
ok "those of the one are served" test $? -eq 0
wait $holder_other
ok "those of the other, too" test $? -eq 0
ok "and those of the name" release name
ok "which is open then" await_count 2 'name: listening on @'
ok "and serves" quickly "@preforkd-reload-$$" three
ok "preforkd stops with status 0" stop

# A path that somebody else has changed, who may write to its directory.
mkdir "$T/sockets"
echo precious >"$T/precious"
chmod 600 "$T/precious"
config <<END
service "path" { listen = { "$T/sockets/path" }  exec = { "cat" } }
END
on_path() { [ "$(echo "$1" | "$programs/client" talk "$T/sockets/path")" = "$1" ]; }
ok "preforkd starts" start
ok "a reload with the path in its place" reload
ok "changes nothing" logged 'reload: done: 0 added, 0 changed, 0 removed, 1 unchanged'
rm "$T/sockets/path"
ok "its socket is removed: a reload is done" reload
ok "the path is bound anew" lines 2 'path: listening on'
ok "and serves" on_path again
rm "$T/sockets/path"
ln -s "$T/precious" "$T/sockets/path"
sed -i 's/exec = /socket-mode = 0666  exec = /' "$T/preforkd.conf"
ok "a link stands in its place: a reload" reload
ok "is refused, with the reason" logged 'cannot bind .*/sockets/path: there is a file of that name that is no socket'
ok "what the link leads to was not touched" test "$(stat -c %a "$T/precious")" = 600
rm "$T/sockets/path"
ok "without the link the reload is done" reload
ok "and the path serves" on_path once-more
ok "preforkd stops with status 0" stop
ok "and removes it" not test -e "$T/sockets/path"

# Reloads that follow each other while clients come.
config <<END
service "busy" { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { min-spare = 4  max = 100 } }
END
ok "preforkd starts" start
"$programs/client" hammer "$(port busy)" 4000 8 >"$T/hammer" 2>&1 &
hammer=$!
n=0
while kill -0 $hammer 2>/dev/null; do
	n=$((n + 1))
	sed -i "s/environment = .*/environment = { \"N=$n\" } }/; t; s/max = 100 } }/max = 100 } environment = { \"N=$n\" } }/" "$T/preforkd.conf"
	reload
done
wait $hammer
ok "$n reloads under load lose nobody" test $? -eq 0
note <"$T/hammer"
ok "each of them changed the service" eval '[ "$(grep -c "busy: changed (environment)" "$log")" -ge $((n - 1)) ]'
ok "preforkd stops with status 0" stop
finish
