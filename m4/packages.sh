# SPDX-License-Identifier: ISC
# Which Debian packages are needed, and how they come. Sourced by try and check.

BUILD_PACKAGES="autoconf automake libtool make pkg-config gcc libc6-dev libbsd-dev libconfuse-dev libev-dev"
TRY_PACKAGES="git netcat-openbsd"
TEST_PACKAGES="clang libclang-rt-dev check mandoc git rsync openssh-server openssh-client curl apache2-utils micro-httpd netcat-openbsd
	iproute2 procps strace valgrind systemd util-linux haproxy openssl
	busybox vsftpd nagios-nrpe-server nagios-nrpe-plugin distcc subversion cvs fingerd finger perl python3 php-cli"
# It would take the place of another mail server.
[ -e /usr/sbin/sendmail ] || TEST_PACKAGES="$TEST_PACKAGES exim4-daemon-light"

missing_packages() {
	for package; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || printf '%s ' "$package"
	done
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; elif [ -t 0 ]; then sudo "$@"; else sudo -n "$@"; fi
}

# Servers that are installed for the tests are neither started now nor at the next boot.
without_starting() {
	policy=/usr/sbin/policy-rc.d
	if [ -e $policy ]; then
		"$@"
		return
	fi
	as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
	status=0
	"$@" || status=$?
	as_root rm -f $policy
	return $status
}

# Servers among the packages, each with its unit.
SERVERS="openssh-server:ssh haproxy:haproxy vsftpd:vsftpd nagios-nrpe-server:nagios-nrpe-server distcc:distcc
	exim4-daemon-light:exim4"

# disable_servers PACKAGE...: those that were just installed.
disable_servers() {
	for server in $SERVERS; do
		case " $* " in
		*" ${server%:*} "*) as_root systemctl --no-ask-password disable "${server#*:}" >/dev/null 2>&1 || : ;;
		esac
	done
}

# install_packages NAME...: says what is missing and installs it.
install_packages() {
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		echo "This is no Debian: the packages named in m4/packages.sh are taken to be there in another form."
		return
	fi
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	echo "Installing from Debian: $missing"
	if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
		echo "That needs root and there is no sudo; install them and come back." >&2
		exit 111
	fi
	as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
	# shellcheck disable=SC2086
	without_starting as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
		>/dev/null </dev/null
	# shellcheck disable=SC2086
	disable_servers $missing
}
