/* SPDX-License-Identifier: ISC */
/*
 * The system calls of a worker's path, made without the C library.
 *
 * A worker accepts, writes its record and becomes its program, and it does so in preforkd's image or inside the image of the program
 * itself, where malloc, environ, errno and even write(2) may be somebody else's. So this path asks the kernel and nobody
 * else. Every function returns what the kernel returned: a negative errno on failure. errno itself is never touched, which
 * is also what a signal handler wants.
 *
 * On an architecture without an entry below, syscall(2) of the C library is used: right for preforkd, not fit for a
 * preload library.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__) && defined(__LP64__)

static inline long kernel_call6(long number, long a, long b, long c, long d, long e, long f)
{
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return result;
}

#elif defined(__aarch64__)

static inline long kernel_call6(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}

#else

static inline long kernel_call6(long number, long a, long b, long c, long d, long e, long f)
{
	int kept = errno;
	long result = syscall(number, a, b, c, d, e, f);

	if (result == -1)
		result = -errno;
	errno = kept;
	return result;
}

#endif

static inline long kernel_call(long number, long a, long b, long c, long d, long e)
{
	return kernel_call6(number, a, b, c, d, e, 0);
}

/* The kernel's own set of signals: one bit each, from 1. The C library's sigset_t is larger. */
typedef uint64_t kernel_sigset;

#define KERNEL_SIGBIT(sig) ((kernel_sigset)1 << ((sig) - 1))
#define KERNEL_SIGALL (~(kernel_sigset)0)

static inline int kernel_accept(int fd, struct sockaddr *address, socklen_t *length)
{
	return (int)kernel_call(SYS_accept4, fd, (long)address, (long)length, SOCK_CLOEXEC, 0);
}

static inline int kernel_close(int fd)
{
	return (int)kernel_call(SYS_close, fd, 0, 0, 0, 0);
}

static inline int kernel_dup3(int from, int to, int flags)
{
	return (int)kernel_call(SYS_dup3, from, to, flags, 0, 0);
}

static inline ssize_t kernel_write(int fd, const void *data, size_t size)
{
	return kernel_call(SYS_write, fd, (long)data, (long)size, 0, 0);
}

static inline ssize_t kernel_send(int fd, const void *data, size_t size, int flags)
{
	return kernel_call(SYS_sendto, fd, (long)data, (long)size, flags, 0);
}

static inline ssize_t kernel_receive(int fd, void *data, size_t size, int flags)
{
	return kernel_call(SYS_recvfrom, fd, (long)data, (long)size, flags, 0);
}

static inline ssize_t kernel_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return kernel_call(SYS_sendmsg, fd, (long)message, flags, 0, 0);
}

/* A pair of AF_UNIX, close-on-exec. */
static inline int kernel_socketpair(int type, int pair[2])
{
	return (int)kernel_call(SYS_socketpair, AF_UNIX, type | SOCK_CLOEXEC, 0, (long)pair, 0);
}

static inline int kernel_shutdown(int fd, int how)
{
	return (int)kernel_call(SYS_shutdown, fd, how, 0, 0, 0);
}

static inline int kernel_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
	return (int)kernel_call(SYS_getsockname, fd, (long)address, (long)length, 0, 0);
}

static inline int kernel_getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
	return (int)kernel_call(SYS_getsockopt, fd, level, option, (long)value, (long)length);
}

static inline int kernel_setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
	return (int)kernel_call(SYS_setsockopt, fd, level, option, (long)value, (long)length);
}

static inline int kernel_poll(struct pollfd *list, unsigned count, const struct timespec *limit)
{
	return (int)kernel_call(SYS_ppoll, (long)list, (long)count, (long)limit, 0, 0);
}

static inline int kernel_sleep(const struct timespec *time)
{
	return (int)kernel_call(SYS_nanosleep, (long)time, 0, 0, 0, 0);
}

static inline int kernel_prctl(int option, unsigned long value)
{
	return (int)kernel_call(SYS_prctl, option, (long)value, 0, 0, 0);
}

static inline pid_t kernel_getpid(void)
{
	return (pid_t)kernel_call(SYS_getpid, 0, 0, 0, 0, 0);
}

static inline pid_t kernel_getppid(void)
{
	return (pid_t)kernel_call(SYS_getppid, 0, 0, 0, 0, 0);
}

/* The address, or a negative errno. */
static inline long kernel_mmap(size_t size, int protection, int flags, int fd)
{
	return kernel_call6(SYS_mmap, 0, (long)size, protection, flags, fd, 0);
}

static inline int kernel_munmap(const void *memory, size_t size)
{
	return (int)kernel_call(SYS_munmap, (long)memory, (long)size, 0, 0, 0);
}

static inline int kernel_open(const char *path, int flags)
{
	return (int)kernel_call(SYS_openat, AT_FDCWD, (long)path, flags, 0, 0);
}

static inline ssize_t kernel_read(int fd, void *data, size_t size)
{
	return kernel_call(SYS_read, fd, (long)data, (long)size, 0, 0);
}

static inline int kernel_fcntl(int fd, int command, long argument)
{
	return (int)kernel_call(SYS_fcntl, fd, command, argument, 0, 0);
}

/* Byte by byte: a compiler would call memcpy for a struct. */
static inline void kernel_copy(void *to, const void *from, size_t size)
{
	volatile unsigned char *out = to;
	const unsigned char *in = from;

	while (size-- > 0)
		*out++ = *in++;
}

static inline int kernel_execve(const char *path, char *const argv[], char *const envp[])
{
	return (int)kernel_call(SYS_execve, (long)path, (long)argv, (long)envp, 0, 0);
}

_Noreturn static inline void kernel_exit(int status)
{
	for (;;)
		kernel_call(SYS_exit_group, status, 0, 0, 0, 0);
}

static inline int kernel_sigmask(int how, kernel_sigset set)
{
	return (int)kernel_call(SYS_rt_sigprocmask, how, (long)&set, 0, sizeof(set), 0);
}

/* Waits until a signal outside of set has been handled. */
static inline void kernel_sigsuspend(kernel_sigset set)
{
	kernel_call(SYS_rt_sigsuspend, (long)&set, sizeof(set), 0, 0, 0);
}

/* Takes one pending signal of set away; the signal, or -EAGAIN when none is pending. */
static inline int kernel_sigtake(kernel_sigset set)
{
	struct timespec now = { 0, 0 };

	return (int)kernel_call(SYS_rt_sigtimedwait, (long)&set, 0, (long)&now, sizeof(set), 0);
}

/* Installs a handler with SA_RESTART and nothing blocked. */
int kernel_handle(int sig, void (*handler)(int));

/* Nanoseconds of the monotonic clock. */
static inline uint64_t kernel_now_ns(void)
{
	struct timespec t = { 0, 0 };

	kernel_call(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&t, 0, 0, 0);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Milliseconds of it. */
static inline uint64_t kernel_now(void)
{
	return kernel_now_ns() / 1000000;
}

#endif
