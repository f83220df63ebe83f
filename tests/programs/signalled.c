/* SPDX-License-Identifier: ISC */
/*
 * An echo program that notes every signal that reaches it, also those that are ignored by default, from its very first
 * instruction on as far as a program can. It says so on standard error and ends with status 1.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t hit;

static void on_signal(int sig)
{
	hit = sig;
}

__attribute__((constructor)) static void catch_all(void)
{
	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGPIPE)
			signal(sig, on_signal);
}

int main(void)
{
	char data[4096];
	ssize_t n;

	while ((n = read(STDIN_FILENO, data, sizeof(data))) > 0)
		if (write(STDOUT_FILENO, data, (size_t)n) != n)
			break;
	if (!hit)
		return 0;
	fprintf(stderr, "signalled by %d\n", (int)hit);
	return 1;
}
