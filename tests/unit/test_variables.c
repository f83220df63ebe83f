/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "given.h"
#include "variables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UCSPI VARIABLES_UCSPI
#define SYSTEMD VARIABLES_SYSTEMD
#define XINETD VARIABLES_XINETD
#define ALL VARIABLES_ALL

#define TCP4_UCSPI "PROTO=TCP TCPLOCALIP=192.0.2.1 TCPLOCALPORT=80 TCPREMOTEIP=198.51.100.7 TCPREMOTEPORT=50312 TCPCONNNUM=3"
#define TCP6_UCSPI "PROTO=TCP TCPLOCALIP=2001:db8::1 TCPLOCALPORT=443 TCPREMOTEIP=2001:db8::2 TCPREMOTEPORT=65535 TCPCONNNUM=3"
#define UNIX_UCSPI "PROTO=UNIX UNIXREMOTEPID=812 UNIXREMOTEEUID=1000 UNIXREMOTEEGID=100 UNIXLOCALPATH=/run/x.sock"
#define ID "PREFORK_CONNECTION=2a"
#define COOKIE "SO_COOKIE=42"

static const struct {
	const char *what, *local, *peer;
	unsigned sets;
	const char *variables; /* in their order */
} table[] = {
	{ "IPv4, all", "192.0.2.1:80", "198.51.100.7:50312", ALL,
	  ID " " TCP4_UCSPI " REMOTE_ADDR=198.51.100.7 REMOTE_PORT=50312 REMOTE_HOST=198.51.100.7 " COOKIE },
	{ "IPv4, ucspi", "192.0.2.1:80", "198.51.100.7:50312", UCSPI, ID " " TCP4_UCSPI },
	{ "IPv4, systemd", "192.0.2.1:80", "198.51.100.7:50312", SYSTEMD,
	  ID " REMOTE_ADDR=198.51.100.7 REMOTE_PORT=50312 " COOKIE },
	{ "IPv4, xinetd", "192.0.2.1:80", "198.51.100.7:50312", XINETD, ID " REMOTE_HOST=198.51.100.7" },
	{ "IPv4, none", "192.0.2.1:80", "198.51.100.7:50312", 0, ID },
	{ "IPv4, ucspi and xinetd", "192.0.2.1:80", "198.51.100.7:50312", UCSPI | XINETD,
	  ID " " TCP4_UCSPI " REMOTE_HOST=198.51.100.7" },

	{ "IPv6, all", "[2001:db8::1]:443", "[2001:db8::2]:65535", ALL,
	  ID " " TCP6_UCSPI " REMOTE_ADDR=2001:db8::2 REMOTE_PORT=65535 REMOTE_HOST=2001:db8::2 " COOKIE },
	{ "IPv6, ucspi", "[2001:db8::1]:443", "[2001:db8::2]:65535", UCSPI, ID " " TCP6_UCSPI },
	{ "IPv6, systemd", "[2001:db8::1]:443", "[2001:db8::2]:65535", SYSTEMD,
	  ID " REMOTE_ADDR=2001:db8::2 REMOTE_PORT=65535 " COOKIE },
	{ "IPv6, xinetd", "[2001:db8::1]:443", "[2001:db8::2]:65535", XINETD, ID " REMOTE_HOST=2001:db8::2" },
	{ "IPv6, link-local", "[fe80::1%2]:443", "[fe80::2%2]:1", SYSTEMD, ID " REMOTE_ADDR=fe80::2%2 REMOTE_PORT=1 " COOKIE },

	{ "mapped, all", "[::ffff:192.0.2.1]:80", "[::ffff:198.51.100.7]:50312", ALL,
	  ID " " TCP4_UCSPI " REMOTE_ADDR=198.51.100.7 REMOTE_PORT=50312 REMOTE_HOST=198.51.100.7 " COOKIE },

	{ "path, all", "/run/x.sock", "", ALL, ID " " UNIX_UCSPI " " COOKIE },
	{ "path, ucspi", "/run/x.sock", "", UCSPI, ID " " UNIX_UCSPI },
	{ "path, systemd", "/run/x.sock", "", SYSTEMD, ID " " COOKIE },
	{ "path, xinetd", "/run/x.sock", "", XINETD, ID },
	{ "path, none", "/run/x.sock", "", 0, ID },
	{ "path, client with a path", "/run/x.sock", "/run/client", ALL, ID " " UNIX_UCSPI " REMOTE_ADDR=/run/client " COOKIE },
	{ "path, client with an abstract name", "/run/x.sock", "@client", ALL,
	  ID " " UNIX_UCSPI " REMOTE_ADDR=@client " COOKIE },
	{ "path, with bytes that the log writes as \\xNN", "/run/a b\\\n\xc3\xa4", "@c d", ALL,
	  ID " PROTO=UNIX UNIXREMOTEPID=812 UNIXREMOTEEUID=1000 UNIXREMOTEEGID=100 UNIXLOCALPATH=/run/a b\\\n\xc3\xa4 REMOTE_ADDR=@c d " COOKIE },
	{ "abstract", "@server", "", UCSPI,
	  ID " PROTO=UNIX UNIXREMOTEPID=812 UNIXREMOTEEUID=1000 UNIXREMOTEEGID=100 UNIXLOCALPATH=@server" },
};

/* As accept leaves it: a client of a path that has no name has a family and no more. */
static struct address peer_of(const char *local, const char *text)
{
	struct address a = given_address(text);

	if (text[0] == '\0' && (local[0] == '/' || local[0] == '@')) {
		a.socket.any.sa_family = AF_UNIX;
		a.length = sizeof(sa_family_t);
	}
	return a;
}

static void join(const struct variables *v, char *out, size_t size)
{
	size_t length = 0;

	out[0] = '\0';
	for (char *const *at = v->list; *at; at++)
		length += (size_t)snprintf(out + length, size - length, "%s%s", at == v->list ? "" : " ", *at);
}

START_TEST(a_connection_has_its_variables)
{
	struct connection c = { .id = 42, .others = 3, .credentials = { 812, 1000, 100 } };
	struct variables v;
	char text[2048];

	c.local = given_address(table[_i].local);
	c.peer = peer_of(table[_i].local, table[_i].peer);
	memset(&v, 0xff, sizeof(v));
	variables_fill(&v, &c, table[_i].sets);
	join(&v, text, sizeof(text));
	ck_assert_msg(strcmp(text, table[_i].variables) == 0, "%s:\n%s", table[_i].what, text);
	ck_assert_msg(!v.list[v.count], "%s: count %u", table[_i].what, v.count);
}
END_TEST

static const struct {
	const char *host, *local, *peer;
	unsigned sets;
	bool told;
} named[] = {
	{ "host.example", "192.0.2.1:80", "198.51.100.7:50312", ALL, true },
	{ "host.example", "192.0.2.1:80", "198.51.100.7:50312", UCSPI, true },
	{ "host.example", "[2001:db8::1]:443", "[2001:db8::2]:65535", ALL, true },
	{ "host.example", "192.0.2.1:80", "198.51.100.7:50312", SYSTEMD | XINETD, false },
	{ "host.example", "/run/x.sock", "", ALL, false },
	{ "", "192.0.2.1:80", "198.51.100.7:50312", ALL, false },
	{ NULL, "192.0.2.1:80", "198.51.100.7:50312", ALL, false },
};

START_TEST(a_client_whose_name_is_known_has_it)
{
	struct connection c = { .id = 42, .host = named[_i].host };
	struct variables v;
	char text[2048];

	c.local = given_address(named[_i].local);
	c.peer = peer_of(named[_i].local, named[_i].peer);
	variables_fill(&v, &c, named[_i].sets);
	join(&v, text, sizeof(text));
	ck_assert_msg(!strstr(text, " TCPREMOTEHOST=host.example ") == !named[_i].told, "%s", text);
	ck_assert_msg(!strstr(text, "TCPREMOTEHOST") == !named[_i].told, "%s", text);
	ck_assert_msg(!strstr(text, "REMOTE_HOST=host"), "%s", text);
}
END_TEST

START_TEST(the_longest_of_everything_has_room)
{
	char host[HOST_NAME];
	struct connection c = { .id = UINT64_MAX, .host = host, .others = UINT32_MAX };
	struct variables v;

	memset(host, 'x', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	c.local = c.peer = given_address("[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535");
	variables_fill(&v, &c, ALL);
	ck_assert_uint_le(v.count, VARIABLES_MAX);
	ck_assert_uint_le(v.used, sizeof(v.text));
	ck_assert_msg(!v.list[v.count], "count %u", v.count);
}
END_TEST

START_TEST(each_of_them_is_known_by_its_name)
{
	struct connection c = { .id = 42 };
	struct variables v;

	c.local = given_address(table[_i].local);
	c.peer = peer_of(table[_i].local, table[_i].peer);
	variables_fill(&v, &c, table[_i].sets);
	for (unsigned i = 0; i < v.count; i++) {
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(v.list[i], "="), v.list[i]);
		ck_assert_msg(variables_known(name), "%s", name);
		ck_assert_msg(variables_known(v.list[i]), "%s", v.list[i]);
	}
}
END_TEST

START_TEST(they_can_be_filled_in_again)
{
	struct connection c = { .id = 42 };
	struct variables v;

	c.local = given_address("192.0.2.1:80");
	c.peer = given_address("198.51.100.7:50312");
	variables_fill(&v, &c, ALL);
	variables_fill(&v, &c, 0);
	ck_assert_uint_eq(v.count, 1);
	ck_assert_str_eq(v.list[0], "PREFORK_CONNECTION=2a");
	ck_assert_ptr_null(v.list[1]);
}
END_TEST

#define BYTES(text) { (const unsigned char *)(text), sizeof(text) - 1 }
#define PROXY_1 ID " PREFORK_PROXY_VERSION=1 PREFORK_PROXY_IP=192.0.2.99 PREFORK_PROXY_PORT=5555"
#define PROXY_2 ID " PREFORK_PROXY_VERSION=2 PREFORK_PROXY_IP=192.0.2.99 PREFORK_PROXY_PORT=5555"
#define SIXTY_FOUR "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONGEST SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR

/* With a PROXY header in front, and nothing else wanted but what stands in sets. */
static const struct {
	const char *what, *sender;
	struct proxy proxy;
	unsigned sets;
	const char *variables;
} proxied[] = {
	{ "version 1", "192.0.2.99:5555", { .version = 1 }, 0, PROXY_1 },
	{ "version 2, LOCAL", "192.0.2.99:5555", { .version = 2, .local = true }, 0, PROXY_2 },
	{ "with other sets", "192.0.2.99:5555", { .version = 1 }, UCSPI | XINETD, PROXY_1 " " TCP4_UCSPI " REMOTE_HOST=198.51.100.7" },
	{ "a sender with IPv6", "[2001:db8::99]:1", { .version = 2 }, 0,
	  ID " PREFORK_PROXY_VERSION=2 PREFORK_PROXY_IP=2001:db8::99 PREFORK_PROXY_PORT=1" },
	{ "a sender with mapped IPv4", "[::ffff:192.0.2.99]:5555", { .version = 2 }, 0, PROXY_2 },
	{ "a sender on a path", "@proxy", { .version = 2 }, 0, ID " PREFORK_PROXY_VERSION=2" },
	{ "every text", "192.0.2.99:5555",
	  { .version = 2, .tls = true, .verified = true, .tls_version = BYTES("TLSv1.3"), .tls_cipher = BYTES("TLS_AES_256_GCM_SHA384"),
	    .tls_name = BYTES("jane"), .unique_id = BYTES("id-1"), .authority = BYTES("example.com"), .alpn = BYTES("h2") }, 0,
	  PROXY_2 " PREFORK_PROXY_TLS_VERSION=TLSv1.3 PREFORK_PROXY_TLS_CIPHER=TLS_AES_256_GCM_SHA384 PREFORK_PROXY_TLS_NAME=jane"
	  " PREFORK_PROXY_TLS_VERIFIED=yes PREFORK_PROXY_UNIQUE_ID=id-1 PREFORK_PROXY_AUTHORITY=example.com PREFORK_PROXY_ALPN=h2" },
	{ "TLS without a certificate", "192.0.2.99:5555", { .version = 2, .tls = true }, 0,
	  PROXY_2 " PREFORK_PROXY_TLS_VERIFIED=no" },
	{ "empty texts", "192.0.2.99:5555", { .version = 2, .authority = BYTES(""), .alpn = BYTES("") }, 0,
	  PROXY_2 " PREFORK_PROXY_AUTHORITY= PREFORK_PROXY_ALPN=" },
	{ "bytes that would spoil something", "192.0.2.99:5555",
	  { .version = 2, .authority = BYTES("a b%20\n\0\r\t\x1b\x1f ~\x7f\x80\xff=\"$`c\xc3\xa9") }, 0,
	  PROXY_2 " PREFORK_PROXY_AUTHORITY=a b%2520%0A%00%0D%09%1B%1F ~%7F%80%FF=\"$`c%C3%A9" },
	{ "what looks like another variable", "192.0.2.99:5555", { .version = 2, .unique_id = BYTES("x\0PATH=/tmp") }, 0,
	  PROXY_2 " PREFORK_PROXY_UNIQUE_ID=x%00PATH=/tmp" },
	{ "256 bytes", "192.0.2.99:5555", { .version = 2, .alpn = BYTES(LONGEST) }, 0, PROXY_2 " PREFORK_PROXY_ALPN=" LONGEST },
	{ "257 bytes are left out, the others are there", "192.0.2.99:5555",
	  { .version = 2, .tls_name = BYTES(LONGEST "x"), .unique_id = BYTES(LONGEST "x"), .authority = BYTES("b"),
	    .alpn = BYTES(LONGEST "x") }, 0, PROXY_2 " PREFORK_PROXY_AUTHORITY=b" },
};

START_TEST(a_proxy_header_has_its_variables)
{
	struct connection c = { .id = 42, .others = 3, .proxy = &proxied[_i].proxy };
	struct variables v;
	char text[2048], name[64];

	c.local = given_address("192.0.2.1:80");
	c.peer = given_address("198.51.100.7:50312");
	c.proxy_peer = given_address(proxied[_i].sender);
	memset(&v, 0xff, sizeof(v));
	variables_fill(&v, &c, proxied[_i].sets);
	join(&v, text, sizeof(text));
	ck_assert_msg(strcmp(text, proxied[_i].variables) == 0, "%s:\n%s", proxied[_i].what, text);
	for (unsigned i = 0; i < v.count; i++) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(v.list[i], "="), v.list[i]);
		ck_assert_msg(variables_known(name), "%s", name);
	}
}
END_TEST

enum { PATH_ROOM = sizeof(((struct address *)0)->socket.path.sun_path) };

/* Every byte of both names is written as \xNN, and every number has its most digits. */
static struct connection greatest_unix(bool abstract)
{
	struct connection c = { .id = UINT64_MAX, .others = UINT32_MAX, .credentials = { -1, (uid_t)-1, (gid_t)-1 } };

	memset(&c.local.socket.path, 0xff, sizeof(c.local.socket.path));
	c.local.socket.path.sun_family = AF_UNIX;
	c.local.length = offsetof(struct sockaddr_un, sun_path) + PATH_ROOM;
	if (abstract)
		c.local.socket.path.sun_path[0] = '\0';
	c.peer = c.local;
	return c;
}

static struct connection greatest_tcp(bool unused)
{
	struct connection c = { .id = UINT64_MAX, .others = UINT32_MAX };

	(void)unused;
	c.local = given_address("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
	c.peer = c.local;
	return c;
}

/* Every text of the greatest length that is written, each byte as %XX. */
static void add_greatest_proxy(struct connection *c)
{
	static unsigned char bytes[VARIABLES_TEXT];
	static struct proxy p;
	const struct proxy_text text = { bytes, sizeof(bytes) };

	memset(bytes, 0xff, sizeof(bytes));
	p = (struct proxy){ .version = 2, .tls = true, .verified = true, .authority = text, .alpn = text, .unique_id = text,
	                    .tls_version = text, .tls_cipher = text, .tls_name = text };
	c->proxy = &p;
	c->proxy_peer = given_address("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
}

static struct connection greatest_proxied_unix(bool abstract)
{
	struct connection c = greatest_unix(abstract);

	add_greatest_proxy(&c);
	return c;
}

static struct connection greatest_proxied_tcp(bool unused)
{
	struct connection c = greatest_tcp(unused);

	add_greatest_proxy(&c);
	return c;
}

static const struct {
	const char *what;
	struct connection (*make)(bool abstract);
	bool abstract;
} greatest[] = {
	{ "path", greatest_unix, false },
	{ "abstract name", greatest_unix, true },
	{ "IPv6", greatest_tcp, false },
	{ "path with a header", greatest_proxied_unix, false },
	{ "abstract name with a header", greatest_proxied_unix, true },
	{ "IPv6 with a header", greatest_proxied_tcp, false },
};

START_TEST(the_longest_names_and_numbers_have_room)
{
	struct connection c = greatest[_i].make(greatest[_i].abstract);
	struct variables *v = malloc(sizeof(*v)); /* of its own, so that AddressSanitizer and valgrind see its end */

	variables_fill(v, &c, ALL);
	ck_assert_msg(v->used <= sizeof(v->text), "%s: %zu of %zu bytes", greatest[_i].what, v->used, sizeof(v->text));
	ck_assert_msg(v->count <= VARIABLES_MAX, "%s: %u", greatest[_i].what, v->count);
	for (unsigned i = 0; i < v->count; i++)
		ck_assert_msg(v->list[i] >= v->text && v->list[i] + strlen(v->list[i]) < v->text + sizeof(v->text), "%s: %s",
		              greatest[_i].what, v->list[i]);
	free(v);
}
END_TEST

static const struct {
	const char *name;
	bool known;
} names[] = {
	{ "PROTO", true },           { "PROTO=TCP", true },      { "TCPREMOTEIP", true },    { "TCPREMOTEHOST", true },
	{ "TCPREMOTEHOST=", true },  { "TCPREMOTEINFO", true },  { "TCPLOCALHOST", true },   { "TCPCONNNUM", true },
	{ "UNIXREMOTEPID", true },   { "UNIXLOCALPATH", true },  { "REMOTE_ADDR", true },    { "REMOTE_PORT=1", true },
	{ "REMOTE_HOST", true },     { "SO_COOKIE", true },      { "PREFORK_CONNECTION", true }, { "PREFORK_SERVICE=x", true },
	{ "PREFORK_PROXY_VERSION", true }, { "PREFORK_PROXY_IP=x", true }, { "PREFORK_PROXY_TLS_VERIFIED", true },
	{ "PREFORK_PROXY_ALPN", true }, { "PREFORK_PROXY", false }, { "PREFORK_PROXY_", false }, { "PREFORK_PROXY_TLS", false },
	{ "", false },               { "=", false },             { "PROT", false },          { "PROTOCOL", false },
	{ "PROTO_", false },         { "proto", false },         { "PATH", false },          { "REMOTE", false },
	{ "REMOTE_ADDRESS", false }, { "XPROTO", false },        { "HOME=PROTO", false },    { "TCPREMOTEIPX=1", false },
};

START_TEST(a_name_is_one_of_ours_or_not)
{
	ck_assert_msg(!!variables_known(names[_i].name) == names[_i].known, "\"%s\"", names[_i].name);
}
END_TEST

Suite *variables_suite(void)
{
	Suite *s = suite_create("variables");
	TCase *t = tcase_create("variables");

	tcase_add_loop_test(t, a_connection_has_its_variables, 0, rows(table));
	tcase_add_loop_test(t, a_client_whose_name_is_known_has_it, 0, rows(named));
	tcase_add_test(t, the_longest_of_everything_has_room);
	tcase_add_loop_test(t, each_of_them_is_known_by_its_name, 0, rows(table));
	tcase_add_test(t, they_can_be_filled_in_again);
	tcase_add_loop_test(t, a_proxy_header_has_its_variables, 0, rows(proxied));
	tcase_add_loop_test(t, the_longest_names_and_numbers_have_room, 0, rows(greatest));
	tcase_add_loop_test(t, a_name_is_one_of_ours_or_not, 0, rows(names));
	suite_add_tcase(s, t);
	return s;
}
