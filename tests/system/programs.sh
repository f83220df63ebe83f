#!/bin/sh
# SPDX-License-Identifier: ISC
# Programs written for inetd, unchanged, with their real clients, eight at a time.
. "$srcdir/system/lib.sh"

git_daemon=$(git --exec-path 2>/dev/null)/git-daemon
HOME=$T/home
export HOME
mkdir -p "$T/home" "$T/git" "$T/files/deep" "$T/www"

# A repository, a tree, a page.
make_repository() {
	git init -q "$T/work" &&
		( cd "$T/work" && git config user.name Test && git config user.email test@localhost &&
		  head -c 300000 /dev/urandom >data && git add data && git commit -qm one &&
		  date >when && git add when && git commit -qm two ) &&
		git clone -q --bare "$T/work" "$T/git/repo.git"
}

for i in 1 2 3 4 5 6 7 8 9; do head -c "${i}00000" /dev/urandom >"$T/files/deep/$i"; done
echo '<p>a page</p>' >"$T/www/index.html"
head -c 200000 /dev/urandom >"$T/www/data.bin"
chmod -R a+rX "$T/www" "$T/files"

cat >"$T/rsyncd.conf" <<END
use chroot = no
[files]
	path = $T/files
	read only = yes
END

sshd=$(PATH=$PATH:/usr/sbin command -v sshd)
httpd=$(PATH=$PATH:/usr/sbin command -v micro-httpd)
have ssh-keygen && [ -n "$sshd" ] && {
	ssh-keygen -q -t ed25519 -N '' -f "$T/hostkey"
	ssh-keygen -q -t ed25519 -N '' -f "$T/userkey"
	cp "$T/userkey.pub" "$T/authorized_keys"
	[ $root = no ] || mkdir -p /run/sshd
	cat >"$T/sshd_config" <<-END
		HostKey $T/hostkey
		AuthorizedKeysFile $T/authorized_keys
		StrictModes no
		UsePAM no
		PermitRootLogin yes
		PasswordAuthentication no
		MaxStartups 100
		PidFile none
	END
}

config <<END
service "idle"  { listen = { "127.0.0.1:0" }  builtin = "echo" }
service "git"   { listen = { "127.0.0.1:0" }  enabled = $([ -x "$git_daemon" ] && echo yes || echo no)
                  exec = { "$([ -x "$git_daemon" ] && echo "$git_daemon" || echo /bin/false)", "--inetd", "--export-all", "--base-path=$T/git" } }
service "rsync" { listen = { "127.0.0.1:0" }  enabled = $(have rsync && echo yes || echo no)
                  exec = { "$(have rsync && echo rsync || echo /bin/false)", "--daemon", "--config=$T/rsyncd.conf" } }
service "ssh"   { listen = { "127.0.0.1:0" }  enabled = $([ -n "$sshd" ] && echo yes || echo no)
                  exec = { "${sshd:-/bin/false}", "-i", "-f", "$T/sshd_config" }
                  user = "$(id -un)" }
service "http"  { listen = { "127.0.0.1:0" }  enabled = $([ -n "$httpd" ] && echo yes || echo no)
                  exec = { "${httpd:-/bin/false}", "$T/www" } }
END

clone() {
	git clone -q "git://127.0.0.1:$(port git)/repo.git" "$T/clone$1" && git -C "$T/clone$1" fsck --strict &&
		cmp "$T/work/data" "$T/clone$1/data"
}

copy_tree() {
	rsync -a "rsync://127.0.0.1:$(port rsync)/files/" "$T/tree$1/" && diff -r "$T/files" "$T/tree$1"
}

secure() {
	ssh -q -F none -i "$T/userkey" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-p "$(port ssh)" 127.0.0.1 "$@"
}

run_command() {
	[ "$(secure "echo run $1")" = "run $1" ]
}

copy_10_megabytes() {
	secure cat "$T/ten" >"$T/copy$1" && cmp "$T/ten" "$T/copy$1"
}

fetch_page() {
	curl -sS --max-time $LIMIT -o "$T/page$1" "http://127.0.0.1:$(port http)/data.bin" && cmp "$T/www/data.bin" "$T/page$1"
}

load_page() {
	ab -q -n 400 -c 8 "http://127.0.0.1:$(port http)/index.html" >"$T/ab" 2>&1
	grep -E '^(Complete|Failed|Requests)' "$T/ab"
	grep -q '^Complete requests: *400$' "$T/ab" && grep -q '^Failed requests: *0$' "$T/ab" && ! grep -q '^Non-2xx' "$T/ab"
}

[ -x "$git_daemon" ] && make_repository && own "$T/git"
ok "preforkd starts" start

if [ -x "$git_daemon" ]; then
	ok "git-daemon: git clones, eight at once" eight clone
else
	skip "git-daemon: git clones" "git-daemon is not installed"
fi
if have rsync; then
	ok "rsync --daemon: a tree is copied, eight at once" eight copy_tree
else
	skip "rsync --daemon: a tree is copied" "rsync is not installed"
fi
if [ -n "$sshd" ] && have ssh; then
	head -c 10485760 /dev/urandom >"$T/ten"
	ok "sshd -i: ssh runs a command, eight at once" eight run_command
	ok "sshd -i: 10 MB are copied, eight at once" eight copy_10_megabytes
else
	skip "sshd -i: ssh runs a command and copies 10 MB" "openssh-server or openssh-client is not installed"
fi
if [ -n "$httpd" ] && have curl; then
	ok "micro-httpd: curl gets a file, eight at once" eight fetch_page
else
	skip "micro-httpd: curl gets a file" "micro-httpd or curl is not installed"
fi
if [ -n "$httpd" ] && have ab; then
	ok "micro-httpd: ab gets a page 400 times, eight at once" load_page
else
	skip "micro-httpd: ab gets a page" "micro-httpd or apache2-utils is not installed"
fi
ok "no program failed before it had its connection" not logged 'failing|died before'
ok "preforkd stops with status 0" stop
finish
