/* SPDX-License-Identifier: ISC */
#include "lookup.h"

#include "kernel.h"

/* Room for one descriptor. */
union passed {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

/* A full door is a service whose resolvers do not keep up: no name is worth waiting there. */
static bool ask(int door, const struct address *peer, int answer)
{
	union passed passed;
	struct iovec address = { .iov_base = (void *)(uintptr_t)&peer->socket, .iov_len = peer->length };
	struct msghdr message = {
		.msg_iov = &address, .msg_iovlen = 1, .msg_control = &passed, .msg_controllen = CMSG_LEN(sizeof(int)),
	};

	passed.header.cmsg_level = SOL_SOCKET;
	passed.header.cmsg_type = SCM_RIGHTS;
	passed.header.cmsg_len = CMSG_LEN(sizeof(int));
	*(int *)(void *)CMSG_DATA(&passed.header) = answer;
	return kernel_sendmsg(door, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/* True if there is something to read: an answer, or the end. */
static bool comes_in_time(int fd, uint64_t deadline)
{
	for (uint64_t now = kernel_now(); now < deadline; now = kernel_now()) {
		struct timespec left = {
			.tv_sec = (time_t)((deadline - now) / 1000), .tv_nsec = (long)((deadline - now) % 1000) * 1000000,
		};
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int n = kernel_poll(&p, 1, &left);

		if (n > 0)
			return true;
		if (n < 0 && n != -EINTR)
			return false;
	}
	return false;
}

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/*
 * Whoever owns an address chooses its name, and programs give it to shells and logs. A name that begins with '-' would be an
 * option there.
 */
static bool is_name(const char *text, ssize_t length)
{
	if (length <= 0 || length >= HOST_NAME || !(is_letter_or_digit(text[0]) || text[0] == '_'))
		return false;
	for (ssize_t i = 0; i < length; i++)
		if (!is_letter_or_digit(text[i]) && text[i] != '-' && text[i] != '.' && text[i] != '_')
			return false;
	return true;
}

/* What is too long fills all of it and is no name. */
static bool receive(int fd, char *name)
{
	ssize_t length = kernel_receive(fd, name, HOST_NAME, MSG_DONTWAIT);

	if (!is_name(name, length))
		return false;
	name[length] = '\0';
	return true;
}

bool lookup_host(int door, int timeout, const struct address *peer, char *name)
{
	uint64_t deadline = kernel_now() + (uint64_t)timeout;
	int family = address_family(peer);
	bool found = false;
	int pair[2];

	if ((family != AF_INET && family != AF_INET6) || kernel_socketpair(LOOKUP_ANSWER, pair) < 0)
		return false;
	bool asked = ask(door, peer, pair[1]);
	kernel_close(pair[1]); /* the resolver's is the only one, so its end will be told */
	if (asked && comes_in_time(pair[0], deadline))
		found = receive(pair[0], name);
	kernel_close(pair[0]);
	return found;
}
