/* SPDX-License-Identifier: ISC */
/* Signal handlers without the C library: x86-64 asks for a return stub of our own, aarch64 has the kernel's. */
#include "kernel.h"

#if (defined(__x86_64__) && defined(__LP64__)) || defined(__aarch64__)

struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	kernel_sigset mask;
};

#if defined(__x86_64__)

#define KERNEL_SA_RESTORER 0x04000000UL /* <signal.h> does not name it */

void kernel_signal_return(void) __attribute__((visibility("hidden")));

/* Unwinders look up the address before the return address: the nop makes that one ours too. */
__asm__(".text\n"
        ".type kernel_signal_return, @function\n"
        ".hidden kernel_signal_return\n"
        ".globl kernel_signal_return\n"
        "	nop\n"
        "kernel_signal_return:\n"
        "	mov $15, %eax\n" /* rt_sigreturn */
        "	syscall\n"
        ".size kernel_signal_return, . - kernel_signal_return\n");

#endif

int kernel_handle(int sig, void (*handler)(int))
{
	struct kernel_sigaction action = { .handler = handler, .flags = SA_RESTART };

#if defined(__x86_64__)
	action.flags |= KERNEL_SA_RESTORER;
	action.restorer = kernel_signal_return;
#endif
	return (int)kernel_call(SYS_rt_sigaction, sig, (long)&action, 0, sizeof(action.mask), 0);
}

#else

int kernel_handle(int sig, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

	sigemptyset(&action.sa_mask);
	return sigaction(sig, &action, NULL) == 0 ? 0 : -errno;
}

#endif
