/* SPDX-License-Identifier: ISC */
/* What a compiler may call without being asked to; the C library's are not there for us. */
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *memory, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	volatile unsigned char *out = to;
	const unsigned char *in = from;

	while (size-- > 0)
		*out++ = *in++;
	return to;
}

void *memmove(void *to, const void *from, size_t size)
{
	volatile unsigned char *out = to;
	const unsigned char *in = from;

	if (out <= in)
		return memcpy(to, from, size);
	while (size-- > 0)
		out[size] = in[size];
	return to;
}

void *memset(void *memory, int byte, size_t size)
{
	volatile unsigned char *out = memory;

	while (size-- > 0)
		*out++ = (unsigned char)byte;
	return memory;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const unsigned char *one = a, *other = b;

	for (; size > 0; size--, one++, other++)
		if (*one != *other)
			return *one < *other ? -1 : 1;
	return 0;
}
