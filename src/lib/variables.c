/* SPDX-License-Identifier: ISC */
#include "variables.h"

static const char *const names[] = {
	"PROTO", "TCPLOCALIP", "TCPLOCALPORT", "TCPREMOTEIP", "TCPREMOTEPORT", "TCPCONNNUM",
	"TCPLOCALHOST", "TCPREMOTEHOST", "TCPREMOTEINFO", "UNIXREMOTEPID", "UNIXREMOTEEUID", "UNIXREMOTEEGID",
	"UNIXLOCALPATH", "REMOTE_ADDR", "REMOTE_PORT", "SO_COOKIE", "REMOTE_HOST", "PREFORK_CONNECTION",
	"PREFORK_SERVICE", "PREFORK_PROXY_VERSION", "PREFORK_PROXY_IP", "PREFORK_PROXY_PORT",
	"PREFORK_PROXY_TLS_VERSION", "PREFORK_PROXY_TLS_CIPHER", "PREFORK_PROXY_TLS_NAME", "PREFORK_PROXY_TLS_VERIFIED",
	"PREFORK_PROXY_UNIQUE_ID", "PREFORK_PROXY_AUTHORITY", "PREFORK_PROXY_ALPN",
};

int variables_known(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = 0;

		while (names[i][n] && names[i][n] == name[n])
			n++;
		if (!names[i][n] && (!name[n] || name[n] == '='))
			return 1;
	}
	return 0;
}

/* Begins "NAME=" and returns where the value goes; every value is written before the next begins. */
static char *begin(struct variables *v, const char *name)
{
	char *at = v->text + v->used;

	v->list[v->count++] = at;
	v->list[v->count] = NULL;
	while (*name)
		*at++ = *name++;
	*at++ = '=';
	return at;
}

static void end(struct variables *v, const char *value, size_t length)
{
	v->used = (size_t)(value - v->text) + length + 1;
}

static void set_text(struct variables *v, const char *name, const char *text)
{
	char *at = begin(v, name);
	size_t n = 0;

	do
		at[n] = text[n];
	while (text[n++]);
	end(v, at, n - 1);
}

static void set_number(struct variables *v, const char *name, unsigned long long number)
{
	char *at = begin(v, name);

	end(v, at, address_decimal(number, at));
}

static void set_ip(struct variables *v, const char *name, const struct address *a)
{
	char *at = begin(v, name);

	end(v, at, address_ip(a, at));
}

static void set_path(struct variables *v, const char *name, const struct address *a)
{
	char *at = begin(v, name);

	end(v, at, address_path(a, at));
}

/* What strangers chose: nothing in it can end a line or a string, or be taken for an escape that is none. */
static void set_foreign(struct variables *v, const char *name, const struct proxy_text *text)
{
	size_t length = 0;
	char *at;

	if (!text->at || text->length > VARIABLES_TEXT)
		return;
	at = begin(v, name);
	for (size_t i = 0; i < text->length; i++) {
		unsigned char c = text->at[i];

		if (c >= ' ' && c < 0x7f && c != '%') {
			at[length++] = (char)c;
			continue;
		}
		at[length++] = '%';
		at[length++] = "0123456789ABCDEF"[c >> 4];
		at[length++] = "0123456789ABCDEF"[c & 15];
	}
	at[length] = '\0';
	end(v, at, length);
}

static void fill_proxy(struct variables *v, const struct connection *c)
{
	const struct proxy *p = c->proxy;

	set_number(v, "PREFORK_PROXY_VERSION", (unsigned long long)p->version);
	if (address_family(&c->proxy_peer) == AF_INET || address_family(&c->proxy_peer) == AF_INET6) {
		set_ip(v, "PREFORK_PROXY_IP", &c->proxy_peer);
		set_number(v, "PREFORK_PROXY_PORT", address_port(&c->proxy_peer));
	}
	set_foreign(v, "PREFORK_PROXY_TLS_VERSION", &p->tls_version);
	set_foreign(v, "PREFORK_PROXY_TLS_CIPHER", &p->tls_cipher);
	set_foreign(v, "PREFORK_PROXY_TLS_NAME", &p->tls_name);
	if (p->tls)
		set_text(v, "PREFORK_PROXY_TLS_VERIFIED", p->verified ? "yes" : "no");
	set_foreign(v, "PREFORK_PROXY_UNIQUE_ID", &p->unique_id);
	set_foreign(v, "PREFORK_PROXY_AUTHORITY", &p->authority);
	set_foreign(v, "PREFORK_PROXY_ALPN", &p->alpn);
}

static void fill_tcp(struct variables *v, const struct connection *c, unsigned sets)
{
	if (sets & VARIABLES_UCSPI) {
		set_text(v, "PROTO", "TCP");
		set_ip(v, "TCPLOCALIP", &c->local);
		set_number(v, "TCPLOCALPORT", address_port(&c->local));
		set_ip(v, "TCPREMOTEIP", &c->peer);
		set_number(v, "TCPREMOTEPORT", address_port(&c->peer));
		if (c->host && c->host[0])
			set_text(v, "TCPREMOTEHOST", c->host);
		set_number(v, "TCPCONNNUM", c->others);
	}
	if (sets & VARIABLES_SYSTEMD) {
		set_ip(v, "REMOTE_ADDR", &c->peer);
		set_number(v, "REMOTE_PORT", address_port(&c->peer));
	}
	if (sets & VARIABLES_XINETD)
		set_ip(v, "REMOTE_HOST", &c->peer);
}

/* systemd tells of a client's own name, and clients of a path seldom have one. */
static int has_name(const struct address *a)
{
	return a->length > offsetof(struct sockaddr_un, sun_path);
}

static void fill_unix(struct variables *v, const struct connection *c, unsigned sets)
{
	if (sets & VARIABLES_UCSPI) {
		set_text(v, "PROTO", "UNIX");
		set_number(v, "UNIXREMOTEPID", (unsigned long long)c->credentials.pid);
		set_number(v, "UNIXREMOTEEUID", c->credentials.uid);
		set_number(v, "UNIXREMOTEEGID", c->credentials.gid);
		set_path(v, "UNIXLOCALPATH", &c->local);
	}
	if (sets & VARIABLES_SYSTEMD && has_name(&c->peer))
		set_path(v, "REMOTE_ADDR", &c->peer);
}

void variables_fill(struct variables *v, const struct connection *c, unsigned sets)
{
	char *at;

	v->count = 0;
	v->used = 0;
	at = begin(v, "PREFORK_CONNECTION");
	end(v, at, address_hexadecimal(c->id, at));
	if (c->proxy)
		fill_proxy(v, c);
	if (address_family(&c->peer) == AF_UNIX)
		fill_unix(v, c, sets);
	else
		fill_tcp(v, c, sets);
	if (sets & VARIABLES_SYSTEMD)
		set_number(v, "SO_COOKIE", c->id);
}
