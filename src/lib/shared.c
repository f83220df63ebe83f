/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "shared.h"

#include <sys/mman.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Truncated, it would kill the master when it looks. */
static int make_sealed(const char *name, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int error;

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

int shared_make(const char *name, size_t size, void **memory)
{
	int fd = make_sealed(name, size);
	int error;

	*memory = NULL;
	if (fd < 0)
		return -1;
	*memory = shared_map(fd, size);
	if (*memory && madvise(*memory, size, MADV_DONTFORK) == 0)
		return fd;
	error = errno;
	shared_free(fd, *memory, size);
	*memory = NULL;
	errno = error;
	return -1;
}

void *shared_map(int fd, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

const void *shared_map_constant(int fd, size_t size)
{
	const void *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void shared_free(int fd, void *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
	if (fd >= 0)
		close(fd);
}
