/* SPDX-License-Identifier: ISC */
/*
 * The smallest program that is worth a connection: it says one line. With an argument it waits for a line first. Linked
 * dynamically like any other, as executing and linking is most of what its connection costs.
 */
#include <string.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	static const char line[] = "hello\n";
	char said[512];
	ssize_t n = 0;

	(void)argv;
	if (argc > 1)
		do
			n = read(STDIN_FILENO, said, sizeof(said));
		while (n > 0 && said[n - 1] != '\n');
	if (n < 0)
		return 1;
	return write(STDOUT_FILENO, line, strlen(line)) == (ssize_t)strlen(line) ? 0 : 1;
}
