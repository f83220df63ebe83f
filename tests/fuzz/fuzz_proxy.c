/* SPDX-License-Identifier: ISC */
/* Headers of the PROXY protocol, and the variables that are made of them. */
#include "target.h"

#include "proxy.h"
#include "variables.h"


static void check_text(const struct proxy_text *text, const uint8_t *data, size_t length)
{
	require(!text->at || (text->at >= data && text->length <= length && text->at + text->length <= data + length));
}

static void check_proxy(const struct proxy *p, const uint8_t *data, size_t length)
{
	check_text(&p->authority, data, length);
	check_text(&p->alpn, data, length);
	check_text(&p->unique_id, data, length);
	check_text(&p->tls_version, data, length);
	check_text(&p->tls_cipher, data, length);
	check_text(&p->tls_name, data, length);
	require(p->version == (data[0] == 'P' ? 1 : 2));
	require(!p->verified || p->tls);
	require(!p->local || (p->peer.length == 0 && p->own.length == 0 && !p->tls));
}

/* A program finds each of them as NAME=VALUE, in printable ASCII. */
static void check_variables(const struct proxy *p)
{
	struct connection c = { .id = UINT64_MAX, .proxy = p, .peer = p->peer, .local = p->own, .proxy_peer = p->peer };
	struct variables *v = malloc(sizeof(*v));

	require(v);
	variables_fill(v, &c, VARIABLES_ALL);
	require(v->count <= VARIABLES_MAX && v->used <= sizeof(v->text) && !v->list[v->count]);
	for (unsigned i = 0; i < v->count; i++) {
		require(variables_known(v->list[i]));
		for (const char *at = v->list[i]; *at; at++)
			require(*at >= ' ' && *at < 0x7f);
	}
	free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy p, again;
	size_t length = 0, other = 0;

	if (proxy_parse(data, size, &p, &length) != PROXY_FOUND)
		return 0;
	require(length <= size && length <= PROXY_HEADER_MAX);
	check_proxy(&p, data, length);
	check_variables(&p);
	require(proxy_parse(data, length, &again, &other) == PROXY_FOUND && other == length);
	for (size_t cut = 0; cut < length; cut++)
		require(proxy_parse(data, cut, &again, &other) == PROXY_SHORT);
	return 0;
}
