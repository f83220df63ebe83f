#!/bin/sh
# SPDX-License-Identifier: ISC
# The PROXY protocol, as haproxy speaks it and as it should not be spoken. The proxy is 127.0.0.1, its clients are 127.0.0.2.
. "$srcdir/system/lib.sh"

haproxy=$(PATH=$PATH:/usr/sbin command -v haproxy)
[ -n "$haproxy" ] && have openssl || skip_all "haproxy or openssl is not installed"

# A program that tells its environment and gives back what it is sent; another that gives back one line, as a client of TLS cannot end its
# half; and one that keeps a file of its connections.
cat >"$T/show" <<'END'
#!/bin/sh
env | sort
echo ---
exec cat
END
cat >"$T/line" <<'END'
#!/bin/sh
read -r line
env | sort
printf '%s\n---\n%s\n' "$line" "$line"
END
cat >"$T/keep" <<END
#!/bin/sh
echo "version=\$PREFORK_PROXY_VERSION peer=\$TCPREMOTEIP:\$TCPREMOTEPORT sender=\$PREFORK_PROXY_IP:\$PREFORK_PROXY_PORT own=\$TCPLOCALPORT" >>"$T/kept"
END
chmod 755 "$T/show" "$T/line" "$T/keep"
: >"$T/kept"
own "$T/kept"

required='proxy-protocol { mode = "required"  from = { "127.0.0.1" }  timeout = 5 }'
config <<END
service "show"     { listen = { "127.0.0.1:0" }  exec = { "$T/show" }  $required }
service "line"     { listen = { "127.0.0.1:0" }  exec = { "$T/line" }  $required }
service "keep"     { listen = { "127.0.0.1:0" }  exec = { "$T/keep" }  $required }
service "short"    { listen = { "127.0.0.1:0" }  exec = { "$T/show" }
                     proxy-protocol { mode = "required"  from = { "127.0.0.1" }  timeout = 200ms } }
service "optional" { listen = { "127.0.0.1:0" }  exec = { "$T/show" }
                     proxy-protocol { mode = "optional"  from = { "127.0.0.1" }  timeout = 5 } }
service "speaks"   { listen = { "127.0.0.1:0" }  exec = { "echo", "first" }
                     proxy-protocol { mode = "optional"  from = { "127.0.0.1" }  timeout = 200ms } }
service "echo"     { listen = { "127.0.0.1:0" }  builtin = "echo"  $required  workers { max = 1 } }
END

# haproxy gets its sockets as descriptors, as its own configuration has no port of the system's choice.
start_haproxy() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=server.example -keyout "$T/server.key" -out "$T/server.crt" &&
		openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=jane -keyout "$T/client.key" -out "$T/client.crt" || return 1
	cat "$T/server.crt" "$T/server.key" >"$T/server.pem"
	cat >"$T/haproxy.cfg" <<-END
		global
			maxconn 100
		defaults
			mode tcp
			timeout connect 30s
			timeout client 60s
			timeout server 60s
		listen v1
			bind fd@20
			server s 127.0.0.1:$(port show) send-proxy
		listen v2
			bind fd@21
			unique-id-format id-%ci
			server s 127.0.0.1:$(port show) send-proxy-v2 proxy-v2-options unique-id,crc32c,ssl
		listen tls
			bind fd@22 ssl crt $T/server.pem ca-file $T/client.crt verify optional alpn h2,http/1.1
			unique-id-format id-%ci
			server s 127.0.0.1:$(port line) send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,unique-id,authority,crc32c
		listen optional
			bind fd@23
			server s 127.0.0.1:$(port optional) send-proxy
		listen echo
			bind fd@24
			server s 127.0.0.1:$(port echo) send-proxy-v2
		backend check
			server s 127.0.0.1:$(port keep) send-proxy-v2 check check-send-proxy inter 100ms
	END
	"$programs/bound" 5 "$T/ports" "$haproxy" -db -f "$T/haproxy.cfg" >"$T/haproxy" 2>&1 </dev/null &
	started="$started $!"
	await_count 5 . "$T/ports"
}

# through NAME FILE: what a client from 127.0.0.2 that sends a file gets by way of haproxy.
through() {
	case $1 in v1) n=1 ;; v2) n=2 ;; tls) n=3 ;; optional) n=4 ;; echo) n=5 ;; esac
	SOURCE=127.0.0.2 "$programs/client" talk "$(sed -n "${n}p" "$T/ports")" <"$2"
}

# over_tls [OPTION]...: the same with TLS, and a line.
over_tls() {
	echo hello | openssl s_client -quiet -connect "127.0.0.1:$(sed -n 3p "$T/ports")" -bind 127.0.0.2 -servername www.example.com \
		-alpn h2 "$@" >"$T/answer" 2>"$T/s_client"
	grep -q '^hello$' "$T/answer"
}

# sent SERVICE FORMAT: what a client that sends bytes to a service by itself gets. With SOURCE, from there.
sent() {
	# shellcheck disable=SC2059
	printf "$2" | "$programs/client" talk "$(port "$1")" >"$T/answer"
}

# has LINE...: are these whole lines in the answer?
has() {
	for line; do
		grep -Fqx -e "$line" "$T/answer" || { echo "no $line in:"; cat "$T/answer"; return 1; }
	done
}

# rest FILE: is that the answer behind the environment?
rest() {
	sed '1,/^---$/d' "$T/answer" | cmp - "$1"
}

# has_no NAME...: are there no such variables?
has_no() {
	for name; do
		! grep "^$name=" "$T/answer" || return 1
	done
}

# nothing COMMAND...: ends without an answer; the connection may have been reset, as what was sent was not read.
nothing() {
	"$@"
	[ ! -s "$T/answer" ]
}

head -c 300000 /dev/urandom | od -A n -t x1 >"$T/data"
printf 'one line\n' >"$T/one"
signature='\r\n\r\n\000\r\nQUIT\n'
addresses='\306\063\144\007\300\000\002\001\304\210\000\120' # 198.51.100.7:50312 to 192.0.2.1:80

ok "preforkd starts" start
ok "haproxy starts in front of it" start_haproxy

# What haproxy tells
for version in v1 v2; do
	ok "$version: a client's bytes come through whole" eval 'through $version "$T/data" >"$T/answer" && rest "$T/data"'
	ok "$version: the client is the proxy's" has TCPREMOTEIP=127.0.0.2 REMOTE_ADDR=127.0.0.2 REMOTE_HOST=127.0.0.2
	ok "$version: the address that it asked for is, too" has TCPLOCALIP=127.0.0.1 \
		"TCPLOCALPORT=$(sed -n "${version#v}p" "$T/ports")"
	ok "$version: the sender is told" eval 'has PREFORK_PROXY_VERSION=${version#v} PREFORK_PROXY_IP=127.0.0.1 &&
		grep -q "^PREFORK_PROXY_PORT=[1-9]" "$T/answer"'
	ok "$version: there was no TLS" has_no PREFORK_PROXY_TLS_VERSION PREFORK_PROXY_TLS_NAME PREFORK_PROXY_TLS_VERIFIED
done
ok "the log has the client's address" logged 'show: .*peer=127\.0\.0\.2:[0-9]+'
ok "v2: the unique id is told" has PREFORK_PROXY_UNIQUE_ID=id-127.0.0.2

ok "TLS with a client's certificate" over_tls -cert "$T/client.crt" -key "$T/client.key"
ok "its client is the proxy's" has TCPREMOTEIP=127.0.0.2 PREFORK_PROXY_VERSION=2 PREFORK_PROXY_IP=127.0.0.1
ok "TLS's version and cipher are told" has PREFORK_PROXY_TLS_VERSION=TLSv1.3 PREFORK_PROXY_TLS_CIPHER=TLS_AES_256_GCM_SHA384
ok "the certificate's name is told, and that it is good" has PREFORK_PROXY_TLS_NAME=jane PREFORK_PROXY_TLS_VERIFIED=yes
ok "the host that was asked for, the protocol and the id are told" has PREFORK_PROXY_AUTHORITY=www.example.com PREFORK_PROXY_ALPN=h2 \
	PREFORK_PROXY_UNIQUE_ID=id-127.0.0.2
ok "TLS without a certificate" over_tls
ok "is not verified and has no name" eval 'has PREFORK_PROXY_TLS_VERIFIED=no && has_no PREFORK_PROXY_TLS_NAME'

echoes_five() {
	for i in 1 2 3 4 5; do
		[ "$(through echo "$T/one")" = "one line" ] || return 1
	done
}
ok "a built-in serves one after the other, each with its own header" echoes_five

ok "haproxy's own check is served" await 'version=2' "$T/kept"
ok "and its addresses are its own" \
	awk '{ sub(/peer=/, "", $2); sub(/sender=/, "", $3); sub(/own=/, "", $4); if ($2 != $3 || $4 != '"$(port keep)"') bad = 1 } END { exit bad || !NR }' \
	"$T/kept"

# What a sender tells
ok "bytes behind a header of version 1 are the program's" \
	eval 'sent show "PROXY TCP4 198.51.100.7 192.0.2.1 50312 80\r\none line\n" && rest "$T/one"'
ok "its addresses are the connection's" has TCPREMOTEIP=198.51.100.7 TCPREMOTEPORT=50312 TCPLOCALIP=192.0.2.1 TCPLOCALPORT=80
ok "bytes behind a header of version 2 are the program's" \
	eval 'sent show "$signature\041\021\000\014${addresses}one line\n" && rest "$T/one"'
ok "its addresses are the connection's" has TCPREMOTEIP=198.51.100.7 TCPREMOTEPORT=50312 TCPLOCALIP=192.0.2.1 TCPLOCALPORT=80
headers_alone() {
	for i in 1 2 3 4 5 6 7 8 9 10; do
		sent show 'PROXY TCP4 198.51.100.7 192.0.2.1 50312 80\r\n' && has TCPREMOTEIP=198.51.100.7 --- || return 1
	done
}
ok "with nothing behind a header the program finds the end" headers_alone
ok "IPv6 in a header" eval 'sent show "PROXY TCP6 2001:db8::2 2001:db8::1 65535 443\r\n" &&
	has TCPREMOTEIP=2001:db8::2 TCPREMOTEPORT=65535 TCPLOCALIP=2001:db8::1 TCPLOCALPORT=443'
ok "mapped IPv4 in a header is IPv4" eval 'sent show "PROXY TCP6 ::ffff:198.51.100.7 ::1 1 2\r\n" && has TCPREMOTEIP=198.51.100.7'
ok "UNKNOWN leaves the connection its own addresses" eval 'sent show "PROXY UNKNOWN 1.2.3.4 1.2.3.4 1 2\r\none line\n" && rest "$T/one" &&
	has TCPREMOTEIP=127.0.0.1 PREFORK_PROXY_VERSION=1'
ok "LOCAL does, too, with all that it has" eval 'sent show "$signature\040\021\000\022$addresses\001\000\003h2?one line\n" &&
	rest "$T/one" && has TCPREMOTEIP=127.0.0.1 PREFORK_PROXY_VERSION=2 && has_no PREFORK_PROXY_ALPN'
ok "what a client chose cannot spoil the environment" \
	eval 'sent show "$signature\041\021\000\032$addresses\002\000\013a\nPATH=/\000%%\377" && has "PREFORK_PROXY_AUTHORITY=a%0APATH=/%00%25%FF"'

# What is refused
refused() {
	await "$1: refused peer=$2:[0-9]+ reason=$3"
}
ok "a missing header is refused" nothing sent show 'hello\n'
ok "with its reason" refused show 127.0.0.1 proxy-header
ok "a malformed header is refused" nothing sent line 'PROXY TCP4 1.2.3.4\r\nhello\n'
ok "with its reason" refused line 127.0.0.1 proxy-header
ok "a wrong checksum is refused" nothing sent echo "$signature\\041\\021\\000\\023$addresses\\003\\000\\004xxxxhello\\n"
ok "with its reason" refused echo 127.0.0.1 proxy-header
SOURCE=127.0.0.2
export SOURCE
ok "a header from somebody else is refused" nothing sent show 'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nhello\n'
ok "with its reason" refused show 127.0.0.2 proxy-sender
unset SOURCE

# hold_back SERVICE TEXT: a client that begins a header and sends no more, but stays, is refused.
hold_back() {
	mkfifo "$T/$1.fifo"
	"$programs/client" talk "$(port "$1")" <"$T/$1.fifo" >"$T/answer" 2>&1 &
	late=$!
	started="$started $late"
	exec 9>"$T/$1.fifo"
	printf '%s' "$2" >&9
	refused "$1" 127.0.0.1 proxy-header
	held=$?
	exec 9>&-
	wait $late
	return $held
}
ok "a header that is late is refused, with its reason" hold_back short 'PROXY TCP4 1.2.3.4'

# Optional
ok "optional: with a header" eval 'through optional "$T/one" >"$T/answer" && rest "$T/one" && has TCPREMOTEIP=127.0.0.2 PREFORK_PROXY_VERSION=1'
ok "optional: without one" eval 'sent optional "one line\n" && rest "$T/one" && has TCPREMOTEIP=127.0.0.1 && has_no PREFORK_PROXY_VERSION'
ok "optional: nearly a header is the program's" \
	eval 'printf "PROXIMITY\n" >"$T/near"; sent optional "PROXIMITY\n" && rest "$T/near" && has_no PREFORK_PROXY_VERSION'
ok "optional: a malformed one is refused" nothing sent optional 'PROXY TCP4\r\n'
ok "with its reason" refused optional 127.0.0.1 proxy-header
ok "optional: a client that waits for the program to speak first is served" \
	eval '[ "$("$programs/client" state "$(port speaks)")" = "text: first
closed" ]'

ok "no program failed before it had its connection" not logged 'failing|died before'
ok "preforkd stops with status 0" stop
finish
