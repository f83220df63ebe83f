#!/bin/sh
# SPDX-License-Identifier: ISC
# Programs written for inetd, and scripts, unchanged, in every way to launch them: what their real clients get must be what they get
# under exec. A program NAME has
#
#     program_NAME   its command, as a list of the configuration, and other keys behind it; false where it is not installed
#     prepare_NAME   what it needs
#     client_NAME    its client: given a port and a directory of its own, prints what it got
#     more_NAME      further ways
#     stops_NAME     what becomes of first-io under the fork server, if it is not that: main, or preexec
#
# and is a service for each way. Ports, times, process ids and ids of messages are no part of what is compared.
. "$srcdir/system/lib.sh"

programs_by_kind="git rsync ssh http busybox ftp nrpe distcc svn cvs smtp finger cat bash perl python php"
ways="exec preexec preexec-io fork fork-io"
PATH=$PATH:/usr/sbin:/usr/games:/usr/lib/nagios/plugins
HOME=$T/home
export PATH HOME
mkdir -p "$T/home" "$T/www" "$T/got"
head -c 3000000 /dev/urandom >"$T/www/data"
echo '<p>a page</p>' >"$T/www/index.html"
chmod -R a+rX "$T/www"

quoted() {
	printf '"%s", ' "$@"
}

# The list of a command that is installed.
command_of() {
	path=$(command -v "$1") || return 1
	shift
	echo "exec = { $(quoted "$path" "$@") }"
}

sum() {
	cksum <"$1"
}

# --- git-daemon

program_git() { command_of "$(git --exec-path 2>/dev/null)/git-daemon" --inetd --export-all "--base-path=$T/git"; }

prepare_git() {
	git init -q "$T/work"
	cp "$T/www/data" "$T/work"
	( cd "$T/work" && git add data && git -c user.name=Test -c user.email=test@localhost commit -qm one )
	mkdir "$T/git"
	git clone -q --bare "$T/work" "$T/git/repo.git"
	own "$T/git"
}

client_git() {
	git clone -q "git://127.0.0.1:$1/repo.git" "$2/clone" &&
		git -C "$2/clone" fsck --strict && git -C "$2/clone" log && sum "$2/clone/data"
}

# --- rsync --daemon

program_rsync() { command_of rsync --daemon "--config=$T/rsyncd.conf"; }

prepare_rsync() { printf 'use chroot = no\n[files]\n\tpath = %s\n' "$T/www" >"$T/rsyncd.conf"; }

client_rsync() {
	rsync -ai "rsync://127.0.0.1:$1/files/" "$2/tree" && diff -r "$T/www" "$2/tree" && rsync "rsync://127.0.0.1:$1/"
}

# --- sshd -i; with that SHLVL a bash leaves the user's .bashrc alone

program_ssh() { command_of sshd -i -f "$T/sshd_config" && echo "user = \"$(id -un)\"" && have ssh; }

prepare_ssh() {
	ssh-keygen -q -t ed25519 -N '' -f "$T/hostkey"
	ssh-keygen -q -t ed25519 -N '' -f "$T/userkey"
	[ $root = no ] || mkdir -p /run/sshd
	cat >"$T/sshd_config" <<-END
		HostKey $T/hostkey
		AuthorizedKeysFile $T/userkey.pub
		StrictModes no
		UsePAM no
		PermitRootLogin yes
		PidFile none
		SetEnv SHLVL=2
	END
}

secure() {
	ssh -q -F none -i "$T/userkey" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p "$@"
}

client_ssh() {
	secure "$1" 127.0.0.1 'env | sort; ulimit -a; exit 3'
	echo "status $?"
	secure "$1" 127.0.0.1 cat "$T/www/data" >"$2/copy" && sum "$2/copy"
}

# --- micro-httpd and busybox httpd

program_http() { command_of micro-httpd "$T/www" && have curl; }
program_busybox() { command_of busybox httpd -i -h "$T/www" && have curl; }

client_http() {
	curl -sSi --max-time $LIMIT "http://127.0.0.1:$1/" "http://127.0.0.1:$1/missing"
	curl -sS --max-time $LIMIT -o "$2/data" "http://127.0.0.1:$1/data" && sum "$2/data"
}

client_busybox() { client_http "$@"; }

# --- vsftpd

program_ftp() { command_of vsftpd "$T/vsftpd.conf" && echo 'user = "root"' && have curl; }

prepare_ftp() {
	mkdir "$T/empty"
	cat >"$T/vsftpd.conf" <<-END
		listen=NO
		anonymous_enable=YES
		anon_root=$T/www
		no_anon_password=YES
		secure_chroot_dir=$T/empty
	END
}

client_ftp() {
	curl -sS --max-time $LIMIT "ftp://127.0.0.1:$1/"
	curl -sS --max-time $LIMIT -o "$2/data" "ftp://127.0.0.1:$1/data" && sum "$2/data"
}

# --- nrpe

program_nrpe() { command_of nrpe -c "$T/nrpe.cfg" --inetd && have check_nrpe; }

prepare_nrpe() {
	cat >"$T/nrpe.cfg" <<-END
		allowed_hosts=127.0.0.1
		dont_blame_nrpe=1
		command[hello]=/bin/echo hello from nrpe
		command[warn]=/bin/sh -c 'echo a warning; exit 1'
	END
}

client_nrpe() {
	for what in hello warn; do
		check_nrpe -H 127.0.0.1 -p "$1" -c $what
		echo "status $?"
	done
}

# --- distccd --inetd

program_distcc() {
	command_of distccd --inetd --allow 127.0.0.1 && have distcc && have gcc &&
		echo "environment = { \"TMPDIR=$T/distcc\", \"DISTCC_DIR=$T/distcc\" }"
}

prepare_distcc() {
	mkdir "$T/distcc"
	own "$T/distcc"
	printf '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n' >"$T/hello.c"
}

client_distcc() {
	DISTCC_HOSTS=127.0.0.1:$1 DISTCC_FALLBACK=0 DISTCC_DIR=$2 distcc gcc -O2 -c -o "$2/hello.o" "$T/hello.c" && sum "$2/hello.o"
}

# --- svnserve -i

program_svn() { command_of svnserve -i -r "$T/svn" && have svn; }
more_svn=fork-write
stops_svn=main

prepare_svn() {
	svnadmin create "$T/svn"
	svn -q import --no-auto-props -m one "$T/www" "file://$T/svn"
	own "$T/svn"
}

client_svn() {
	svn checkout "svn://127.0.0.1:$1/" "$2/tree" && svn log --xml "$2/tree" && sum "$2/tree/data"
}

# --- cvs pserver

# Without locks: a client that meets another one's waits for half a minute.
program_cvs() { command_of cvs -f -R "--allow-root=$T/cvs" pserver && echo 'user = "root"'; }

prepare_cvs() {
	cvs -d "$T/cvs" init
	echo 'SystemAuth=no' >"$T/cvs/CVSROOT/config"
	echo "reader::$user" >"$T/cvs/CVSROOT/passwd"
	( cd "$T/www" && cvs -Q -d "$T/cvs" import -ko -m one files vendor first )
	own "$T/cvs"
}

client_cvs() {
	( cd "$2" && cvs -d ":pserver:reader:@127.0.0.1:$1$T/cvs" checkout files && sum files/data && cat files/CVS/Entries )
}

# --- exim4 -bs

program_smtp() { command_of exim4 -C "$T/exim.conf" -bs && echo 'user = "root"'; }
stops_smtp=preexec

prepare_smtp() {
	mkdir "$T/exim"
	chmod 777 "$T/exim"
	cat >"$T/exim.conf" <<-END
		primary_hostname = mail.example
		spool_directory = $T/exim
		log_file_path = $T/exim/log-%slog
		queue_only
		smtp_enforce_sync = false
		acl_smtp_rcpt = accept
		acl_smtp_data = accept
		begin routers
		all:
		 driver = accept
		 transport = none
		begin transports
		none:
		 driver = appendfile
		 file = /dev/null
	END
	chmod 600 "$T/exim.conf"
}

client_smtp() {
	printf '%s\r\n' 'EHLO client.example' 'MAIL FROM:<a@client.example>' 'RCPT TO:<b@mail.example>' \
		DATA 'Subject: hello' '' 'a line' . QUIT | "$programs/client" talk "$1" | tee "$2/dialogue"
	sed 1d "$T/exim/input/$(sed -n 's/.* id=\([^ ]*\).*/\1/p' "$2/dialogue" | tr -d '\r')-D"
}

# --- in.fingerd

program_finger() { command_of in.fingerd && have finger; }
client_finger() { printf 'root\r\n' | "$programs/client" talk "$1"; }

# --- programs that know nothing of networks

program_cat() { command_of cat; }
client_cat() { "$programs/client" talk "$1" <"$T/www/data" >"$2/data" && sum "$2/data"; }

# script NAME: what stands on standard input, as an executable file.
script() {
	cat >"$T/script.$1"
	chmod 755 "$T/script.$1"
}

program_bash() { have bash && echo "exec = { \"$T/script.bash\" }"; }

prepare_bash() {
	script bash <<-'END'
		#!/bin/bash
		/bin/echo welcome
		greeting=$(printf '%s from bash' hello)
		while read -r line; do
			[ "$line" = end ] && break
			echo "$greeting: $line"
		done
		cat <<-DONE
			$(echo nested)
		DONE
		exit 0
	END
}

program_perl() { have perl && echo "exec = { \"$T/script.perl\" }"; }

prepare_perl() {
	script perl <<-'END'
		#!/usr/bin/perl
		use strict;
		use POSIX;
		use Socket;
		$| = 1;
		my %words = map { chomp; $_ => length } <DATA>;
		my (undef, $address) = sockaddr_in(getpeername(STDIN));
		print "hello from perl to ", inet_ntoa($address), "\n";
		while (my $line = <STDIN>) {
			chomp $line;
			last if $line eq 'end';
			print "$line: ", $words{$line} // 'unknown', "\n";
		}
		__DATA__
		one
		three
	END
}

program_python() { have python3 && echo "exec = { \"$T/script.python\" }"; }

prepare_python() {
	script python <<-'END'
		#!/usr/bin/python3
		import json, socket, sys, urllib.parse
		first = sys.stdin.readline()
		peer = socket.socket(fileno=0).getpeername()[0]
		print(json.dumps({"peer": peer, "first": first}))
		for line in sys.stdin:
		    if line == "end\n":
		        break
		    print(urllib.parse.quote(line.strip() + " & more"), flush=True)
	END
}

program_php() { have php && echo "exec = { \"$T/script.php\" }"; }

prepare_php() {
	script php <<-'END'
		#!/usr/bin/php
		<?php
		while (($line = fgets(STDIN)) !== false && $line !== "end\n")
			echo json_encode(['php got' => rtrim($line)]), "\n";
		fwrite(STDOUT, "done\n");
	END
}

talk_script() { printf '%s\n' one two three end | "$programs/client" talk "$1"; }
client_bash() { talk_script "$@"; }
client_perl() { talk_script "$@"; }
client_python() { talk_script "$@"; }
client_php() { talk_script "$@"; }

# --- all of them

needs_root=" ftp cvs smtp "

is_there() {
	"program_$1" >/dev/null 2>&1
}

ways_of() {
	eval "echo $ways \${more_$1:-}"
}

launch_of() {
	case $1 in
	exec) echo 'launch = "exec"' ;;
	preexec) echo 'launch = "preexec"  stop-at = "main"' ;;
	preexec-io) echo 'launch = "preexec"  stop-at = "first-io"' ;;
	fork) echo 'launch = "forkserver"  stop-at = "main"' ;;
	fork-write) echo 'launch = "forkserver"  stop-at = "first-write"' ;;
	fork-io) echo 'launch = "forkserver"  stop-at = "first-io"' ;;
	esac
}

services() {
	for way in $(ways_of "$1"); do
		echo "service \"$1-$way\" { listen = { \"127.0.0.1:0\" }  $(launch_of "$way")"
		"program_$1"
		echo '}'
	done
}

# What differs between two connections in any case.
normalise() {
	sed -E -e 's/^Date: .*/Date:/' -e 's/127\.0\.0\.1([: ])[0-9]+/127.0.0.1\1PORT/g' -e 's/^(SSH_CLIENT=[^ ]* [^ ]*) .*/\1/' \
		-e "s,$T/got/[a-z0-9.-]+,DIRECTORY,g" -e 's/[A-Z][a-z]{2},? .*[0-9]{2}:[0-9]{2}:[0-9]{2}( [0-9]{4}| [+-][0-9]{4})?/TIME/' \
		-e 's/ id=[0-9A-Za-z]+-[0-9A-Za-z]+-[0-9A-Za-z]+/ id=ID/'
}

# Two clients of each way, all at once.
drive() {
	pids=
	for way in $(ways_of "$1"); do
		port=$(port "$1-$way")
		for n in 1 2; do
			got=$T/got/$1-$way.$n
			mkdir "$got"
			{ "client_$1" "$port" "$got" >"$got.raw" 2>&1; echo "client: $?" >>"$got.raw"; normalise <"$got.raw" >"$got.txt"; } &
			pids="$pids $!"
		done
	done
	for pid in $pids; do wait "$pid"; done
	succeeded "$1"
}

succeeded() {
	tail -n 1 "$T/got/$1-exec.1.txt" | grep -q '^client: 0$' || { cat "$T/got/$1-exec.1.txt"; return 1; }
}

# same NAME WAY: both got what the first got under exec.
same() {
	for n in 1 2; do
		diff -a "$T/got/$1-exec.1.txt" "$T/got/$1-$2.$n.txt" || return 1
	done
}

# expected NAME: what becomes of first-io under the fork server.
expected() {
	eval "echo \${stops_$1:-first-io}"
}

# The log has said it: the image is there, or why it is not.
settled() {
	await "$1-fork: (the image is ready: stopped at main|launch = )" && await "$1-fork-io: (the image is ready|launch = )" && {
		[ "$(expected "$1")" != main ] || await "$1-preexec-io: (stop-at|launch) = "
	}
}

# What has become of each way, for the reader.
tell() {
	sed -n -e "s/.*: $1-\([a-z-]*\): the image is ready: stopped at \([^,]*\),.*/$1 \1: stopped at \2/p" \
		-e "s/.*: $1-\([a-z-]*\): \(\(launch\|stop-at\) = .* instead of .*\)/$1 \1: \2/p" "$log" | sort -u | note
}

# falls_back NAME WAYS: is there a line that says so?
falls_back() {
	logged ": $1-($2): (launch|stop-at) = .* instead of"
}

# chosen NAME: nothing falls back but what is expected to.
chosen() {
	case $(expected "$1") in
	first-io) not falls_back "$1" '[a-z-]+' ;;
	main) logged ": $1-fork-io: the image is ready: stopped at main," && not logged ": $1-[a-z-]*: launch = .* instead of" ;;
	preexec) logged ": $1-fork-io: launch = \"preexec\" instead of" && not falls_back "$1" 'fork|preexec|preexec-io' ;;
	esac
}

available=
for name in $programs_by_kind; do
	case $root$needs_root in
	no*" $name "*) continue ;;
	esac
	is_there "$name" && available="$available $name"
done
for name in $available; do
	case $(command -v "prepare_$name") in
	prepare_*) "prepare_$name" >"$T/prepare" 2>&1 || { echo "prepare $name:"; cat "$T/prepare"; } | note ;;
	esac
done
for name in $available; do services "$name"; done | config
ok "preforkd starts" start

for name in $programs_by_kind; do
	case " $available " in
	*" $name "*) ;;
	*)
		skip "$name: the same in every way" "it, or its client, is not installed, or it needs root"
		continue
		;;
	esac
	ok "$name: every way to launch it is decided" settled "$name"
	ok "$name: its client is served under exec, two at once in each way" drive "$name"
	for way in $(ways_of "$name"); do ok "$name: what its clients get under $way is the same" same "$name" "$way"; done
	case $(expected "$name") in
	first-io) ok "$name: it is launched as asked" chosen "$name" ;;
	*) ok "$name: it is launched as asked, but $(expected "$name") in place of first-io" chosen "$name" ;;
	esac
	tell "$name"
done
ok "no program failed before it had its connection" not logged 'failing|died before|the image is lost'
ok "preforkd stops with status 0" stop
finish
