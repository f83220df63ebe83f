# shellcheck shell=sh disable=SC2154,SC2034 # shares its variables with run
# SPDX-License-Identifier: ISC
#
# Who is compared. Each has its port in NAME.port.

# find_peer GIVEN PROGRAM: prints its path, nothing if it is not installed.
find_peer() {
	for path in "$1" "$(command -v "$2")" "/usr/sbin/$2"; do
		if [ -n "$path" ] && [ -x "$path" ]; then
			echo "$path"
			return
		fi
	done
}

find_peers() {
	tcpserver=$(find_peer "${TCPSERVER:-}" tcpserver)
	inetd=$(find_peer "${INETD:-}" inetd)
	xinetd=$(find_peer "${XINETD:-}" xinetd)
	peers="${tcpserver:+ tcpserver}${inetd:+ inetd}${xinetd:+ xinetd}"
	peers=${peers# }
}

version_of() {
	dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo '(not from a package)'
}

# describe_peer PATH PACKAGE VERSION
describe_peer() {
	if [ -n "$1" ]; then
		echo "peer: $2 $3"
	else
		echo "peer: $2 is missing; Debian has it in the package of that name"
	fi
}

describe_peers() {
	describe_peer "$tcpserver" ucspi-tcp "$(version_of ucspi-tcp)"
	describe_peer "$inetd" openbsd-inetd "$(version_of openbsd-inetd)"
	describe_peer "$xinetd" xinetd "$([ -z "$xinetd" ] || "$xinetd" -version 2>&1)"
}

has_text() {
	[ -s "$1" ]
}

# Of one whose first line of output is its port.
await_port() {
	retry 50 has_text "$dir/$1.out" && sed -n 1p "$dir/$1.out" >"$dir/$1.port"
}

is_listening() {
	grep -q ": $2: listening on " "$dir/$1.log" 2>/dev/null
}

# await_service NAME SERVICE: of a service of preforkd, which tells it in its log.
await_service() {
	retry 50 is_listening "$1" "$2" || die "$1 does not start: $(tail -n 1 "$dir/$1.err" "$dir/$1.log")"
	sed -n "s/.*: $2: listening on .*:\([0-9]*\), backlog.*/\1/p" "$dir/$1.log" >"$dir/$1.port"
}

# start_preforkd NAME LOG-CONNECTIONS SERVICES
start_preforkd() {
	cat >"$dir/$1.conf" <<-END
		log { to = "file:$dir/$1.log" }
		defaults { user = "$user" log-connections = "$2" }
		$3
	END
	: >"$dir/$1.log"
	start "$1" "$preforkd" -f "$dir/$1.conf"
}

# echo_service WORKERS [KEYS]
echo_service() {
	echo "service \"echo\" { listen = { \"127.0.0.1:0\" } builtin = \"echo\" workers { $1 } ${2:-} }"
}

# Everything that admission can ask, and nothing that it refuses. $1: more rules of deny.
every_question() {
	cat <<-END
		allow = { "127.0.0.0/8", "::1" } deny = { "127.0.1.0/24"$1 }
		access-times = { "00:00-24:00" } max-load = 100000 time-limit = 1h
		rate = "1000000000/s" per-source { max = 1000 rate = "1000000000/s" }
	END
}

# image_service NAME KEYS: $program launched by a fork server.
image_service() {
	list=
	for word in "$program" $arguments; do
		list="$list${list:+, }\"$word\""
	done
	echo "service \"$1\" { listen = { \"127.0.0.1:0\" } exec = { $list } workers { min-spare = 16 max-spare = 32 max = 256 } $2 }"
}

hello_service() {
	echo "service \"hello\" { listen = { \"127.0.0.1:0\" } exec = { \"$dir/hello\" } workers { max = 256 } }"
}

# start_bare NAME ARGUMENT...
start_bare() {
	bare=$1
	shift
	start "$bare" "$dir/bare" ${root:+-u "$uid:$gid"} "$@"
	await_port "$bare"
}

# The peers run $program, and $arguments.
start_tcpserver() {
	# shellcheck disable=SC2086 # several words
	start tcpserver "$tcpserver" -1 -HRl0 -c 256 -b 4096 ${root:+-u "$uid" -g "$gid"} 127.0.0.1 0 "$program" $arguments
	await_port tcpserver
}

# Its habit is to shut a service for ten minutes after 256 connections in one.
start_inetd() {
	"$dir/bare" port >"$dir/inetd.port"
	echo "127.0.0.1:$(cat "$dir/inetd.port") stream tcp4 nowait.100000000 $user $program ${program##*/} $arguments" >"$dir/inetd.conf"
	start inetd "$inetd" -i -q 4096 -R 100000000 "$dir/inetd.conf"
}

# Its habit is 50 connections a second. Its backlog is 64, whatever one does.
start_xinetd() {
	"$dir/bare" port >"$dir/xinetd.port"
	cat >"$dir/xinetd.conf" <<-END
		service hello
		{
			type = UNLISTED
			socket_type = stream
			protocol = tcp
			wait = no
			instances = UNLIMITED
			per_source = UNLIMITED
			cps = 100000 1
			user = $user
			bind = 127.0.0.1
			port = $(cat "$dir/xinetd.port")
			server = $program
			${arguments:+server_args = $arguments}
		}
	END
	start xinetd "$xinetd" -dontfork -f "$dir/xinetd.conf" -pidfile "$dir/xinetd.id" -filelog "$dir/xinetd.log"
}
