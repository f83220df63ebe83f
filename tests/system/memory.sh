#!/bin/sh
# SPDX-License-Identifier: ISC
# Nothing is leaked: no memory, no descriptor, in the master and in its built-in workers.
. "$srcdir/system/lib.sh"

have valgrind || skip_all "valgrind is not installed"
case "${SANITIZERS:-}" in
?*) skip_all "valgrind and the sanitizers exclude each other" ;;
esac

valgrind -q "$PREFORKD" -V >/dev/null 2>&1 || skip_all "valgrind cannot read this program's debugging information"

config <<END
service "echo"  { listen = { "127.0.0.1:0", "$T/path" }  builtin = "echo"  workers { max-connections = 5 } }
service "goes"  { listen = { "127.0.0.1:0" }  builtin = "discard" }
service "cat"   { listen = { "127.0.0.1:0" }  exec = { "cat" } }
END
launch valgrind -q --track-fds=yes --leak-check=full --show-leak-kinds=definite,indirect,possible --error-exitcode=99 \
	--trace-children=no --child-silent-after-fork=no --log-file="$T/valgrind.%p"
ok "preforkd starts under valgrind" await 'runs with'
ok "it serves built-ins" "$programs/client" hammer "$(port echo)" 30 4
ok "and programs" "$programs/client" hammer "$(port cat)" 10 4
sed -i '/"goes"/d; s/"discard"/"echo"/' "$T/preforkd.conf"
echo 'service "comes" { listen = { "127.0.0.1:0" }  exec = { "cat" } }' >>"$T/preforkd.conf"
ok "it reloads" reload
echo 'nonsense "' >>"$T/preforkd.conf"
ok "it refuses to reload" reload
ok "what came serves" answers comes x x
master=$(master)
ok "preforkd stops with status 0" stop
grep -hv '^==[0-9]*== *$' "$T/valgrind.$master" | note
ok "the master has no error and no leak" eval '! grep -E "ERROR SUMMARY: [1-9]|definitely lost: [1-9]|Invalid|uninitialised" "$T/valgrind.$master"'
own_descriptors() { # FILE N: descriptors open at the end that the process had not been started with
	n=$(grep -A1 'Open ' "$1" | grep -v -e '^--$' -e 'inherited from parent' | grep -c 'Open ')
	m=$(grep -c 'inherited from parent' "$1")
	[ $((n - m)) -le "$2" ] || { cat "$1"; return 1; }
}
ok "the master has closed every descriptor" own_descriptors "$T/valgrind.$master" 0
bad=
for file in "$T"/valgrind.*; do
	[ "$file" = "$T/valgrind.$master" ] && continue
	grep -Eq 'ERROR SUMMARY: [1-9]|definitely lost: [1-9]|Invalid|uninitialised' "$file" && bad="$bad $file"
	# listener, /dev/null, the two pipes; a connection is closed by then
	own_descriptors "$file" 4 >/dev/null || bad="$bad $file"
done
ok "no worker has an error, a leak or a stray descriptor" eval '[ -z "$bad" ] || { cat $bad; false; }'
finish
