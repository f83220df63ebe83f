#!/bin/sh
# SPDX-License-Identifier: ISC
# Thousands of idle workers are asked to leave while clients hammer at the same listeners. Not one connection is lost, and no
# program is hit by a signal that was meant for the worker that it was.
. "$srcdir/system/lib.sh"

config <<END
defaults { log-connections = "end"  workers { min-spare = 8  max-spare = 16  max = 200 }  stderr = log }
service "exec" { listen = { "127.0.0.1:0" }  exec = { "$programs/signalled" } }
service "echo" { listen = { "127.0.0.1:0" }  builtin = "echo" }
END
sed -i "s/^defaults { user/defaults { user = \"$user\" }\n#&/" "$T/preforkd.conf"
cat >"$T/preforkd.conf" <<END
log { to = "file:$T/daemon.log" }
defaults { user = "$user"  log-connections = "end"  workers { min-spare = 8  max-spare = 16  max = 200 } }
service "exec" { listen = { "127.0.0.1:0" }  exec = { "$programs/signalled" } }
service "echo" { listen = { "127.0.0.1:0" }  builtin = "echo" }
END
log=$T/daemon.log
launch_quietly() {
	"$PREFORKD" -f "$T/preforkd.conf" 2>"$T/stderr" </dev/null &
	daemon=$!
	await 'runs with'
}
ok "preforkd starts" launch_quietly

# Opening a log file anew renews every idle worker: eight or more retirements a time for each service.
connections=6000
"$programs/client" hammer "$(port exec)" $connections 8 >"$T/exec" 2>&1 &
one=$!
"$programs/client" hammer "$(port echo)" $connections 8 >"$T/echo" 2>&1 &
two=$!
rounds=0
while kill -0 $one 2>/dev/null || kill -0 $two 2>/dev/null; do
	kill -USR1 "$daemon"
	rounds=$((rounds + 1))
	"$programs/await" -m 2
done
wait $one
ok "$connections connections to a program, none lost" test $? -eq 0
note <"$T/exec"
wait $two
ok "$connections connections to a built-in, none lost" test $? -eq 0
note <"$T/echo"
opened=$(grep -c 'log opened again' "$log")
echo "# workers were renewed $opened times"
ok "workers were renewed more than 100 times" test "$opened" -gt 100
ok "no program was hit by a signal" not logged 'signalled by|signal='
ok "every program ended with status 0" await_count $connections 'exec: end .*status=0'
ok "no worker died before it accepted" not logged 'died before|failing'
ok "preforkd stops with status 0" eval 'kill $daemon; wait $daemon; status=$?; daemon=; [ $status -eq 0 ]'
finish
