/* SPDX-License-Identifier: ISC */
/* Asks every source of random numbers before it reads a line and afterwards, and prints what it got afterwards. */
#include <sys/random.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int (*rand_bytes)(unsigned char *out, int size);
static uint32_t (*arc4)(void);
static int urandom;

static void find(void)
{
	void *crypto = dlopen("libcrypto.so.3", RTLD_NOW), *bsd = dlopen("libbsd.so.0", RTLD_NOW);

	if (crypto)
		*(void **)&rand_bytes = dlsym(crypto, "RAND_bytes");
	*(void **)&arc4 = dlsym(bsd ? bsd : RTLD_DEFAULT, "arc4random");
	urandom = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
}

static void print(const char *name, int known, uint64_t value)
{
	if (known)
		printf(" %s %016llx", name, (unsigned long long)value);
	else
		printf(" %s none", name);
}

static void draw(int say)
{
	uint64_t a = 0, b = 0, c = 0, d = 0;

	if (arc4)
		a = (uint64_t)arc4() << 32 | arc4();
	if (getrandom(&b, sizeof(b), 0) != sizeof(b) || read(urandom, &c, sizeof(c)) != sizeof(c))
		exit(1);
	if (rand_bytes)
		rand_bytes((unsigned char *)&d, sizeof(d));
	if (!say)
		return;
	printf("values");
	print("arc4random", arc4 != NULL, a);
	print("getrandom", 1, b);
	print("urandom", 1, c);
	print("openssl", rand_bytes != NULL, d);
	puts("");
}

int main(void)
{
	char line[64];

	find();
	draw(0);
	if (read(STDIN_FILENO, line, sizeof(line)) < 0)
		return 1;
	draw(1);
	return fflush(stdout) != 0;
}
