/* SPDX-License-Identifier: ISC */
/*
 * Linux's Syscall User Dispatch: from dispatch_arm on, every system call that is not made from this library's own code comes here as
 * SIGSYS. A call that does not touch the connection is made for the program and its result handed back. The first that does stops the program;
 * when it goes on, in a process with a connection, it makes that call again by itself, and nothing is dispatched any more.
 *
 * Only the thread that runs main() is dispatched, and no child of it: both are the kernel's doing.
 *
 * Some calls belong to the frame that they are made from: a signal's return, the alternate stack, a child that shares or changes the
 * stack. Those are not made here; the program is sent into a stub in the allowed range that makes the call and jumps back.
 *
 * SIGSYS must never be blocked, or the kernel ends the process. What the program does to it and to its bit in masks is kept, and
 * is put in force at the end.
 */
#include "config.h"

#include "image.h"
#include "touch.h"

#if defined(__x86_64__) && defined(__LP64__)

#include <elf.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/ucontext.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF 0
#define PR_SYS_DISPATCH_ON 1
#endif

#define SA_RESTORER 0x04000000UL
#define SIGSYS_BIT KERNEL_SIGBIT(SIGSYS)
#define SYSCALL_SIZE 2 /* bytes of the instruction */

static struct {
	volatile char selector;
	bool on;
	bool error_is_socket;
	bool blocked;                 /* the program believes that it blocks SIGSYS */
	struct kernel_action program; /* what it has set up for SIGSYS */
} dispatch;

void kernel_signal_return(void) __attribute__((visibility("hidden")));

/*
 * Stubs, one for each place in the program that needs one: the system call, then a jump to the address behind that of the program. A
 * shared one could not know the way back: parent and child come back on different stacks, or one after the other on the same.
 */
#define STUBS 128

struct stub {
	unsigned char code[8]; /* syscall; jmp *0(%rip) */
	uint64_t back;
};

extern struct stub stubs[STUBS] __attribute__((visibility("hidden")));

__asm__(".text\n"
        ".balign 4096\n"
        ".hidden stubs\n"
        ".globl stubs\n"
        "stubs:\n"
        "	.skip 4096\n");

static unsigned stub_count;

static void write_stub(struct stub *s, uint64_t back)
{
	static const unsigned char code[sizeof(s->code)] = { 0x0f, 0x05, 0xff, 0x25 };

	for (size_t i = 0; i < sizeof(code); i++)
		((volatile unsigned char *)s->code)[i] = code[i];
	s->back = back;
}

/* NULL where this process may not change its code, or has too many such places. It stays executable: a child may just be in one. */
static struct stub *stub_for(uint64_t back)
{
	for (unsigned i = 0; i < stub_count; i++)
		if (stubs[i].back == back)
			return &stubs[i];
	if (stub_count == STUBS ||
	    kernel_call(SYS_mprotect, (long)stubs, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, 0, 0) < 0)
		return NULL;
	write_stub(&stubs[stub_count], back);
	kernel_call(SYS_mprotect, (long)stubs, 4096, PROT_READ | PROT_EXEC, 0, 0);
	return &stubs[stub_count++];
}

/* One call of the program: its number, its arguments, and the registers that it goes on with. */
struct call {
	long number;
	long argument[6];
	ucontext_t *context;
};

static greg_t *reg(const struct call *c, int which)
{
	return &c->context->uc_mcontext.gregs[which];
}

static void give(const struct call *c, long result)
{
	*reg(c, REG_RAX) = result;
}

static long make(const struct call *c)
{
	const long *a = c->argument;

	return kernel_call6(c->number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static kernel_sigset *mask_of(const struct call *c)
{
	return (kernel_sigset *)(void *)&c->context->uc_sigmask;
}

/* The image goes no further: whoever reads the log learns why, and it is made in another way. */
_Noreturn static void give_up(enum news_kind kind, int value, const char *why)
{
	tell_master(kind, image.worker.slot, value, why);
	kernel_exit(0);
}

static void make_in_stub(const struct call *c)
{
	const struct stub *s = stub_for((uint64_t)*reg(c, REG_RIP));

	if (!s)
		give_up(NEWS_EARLY, 0, "it makes children and its code may not be changed");
	*reg(c, REG_RIP) = (greg_t)(uintptr_t)s->code;
}

/* The mask that holds when the handler returns is the one in its frame. */
static void change_mask(const struct call *c)
{
	const kernel_sigset *set = (const kernel_sigset *)c->argument[1];
	kernel_sigset *old = (kernel_sigset *)c->argument[2], *mask = mask_of(c);
	kernel_sigset before = *mask | (dispatch.blocked ? SIGSYS_BIT : 0), after = before;

	if (c->argument[3] != sizeof(kernel_sigset)) {
		give(c, -EINVAL);
		return;
	}
	if (set && c->argument[0] == SIG_BLOCK)
		after |= *set;
	else if (set && c->argument[0] == SIG_UNBLOCK)
		after &= ~*set;
	else if (set && c->argument[0] == SIG_SETMASK)
		after = *set;
	else if (set) {
		give(c, -EINVAL);
		return;
	}
	after &= ~(KERNEL_SIGBIT(SIGKILL) | KERNEL_SIGBIT(SIGSTOP));
	if (old)
		*old = before;
	dispatch.blocked = (after & SIGSYS_BIT) != 0;
	*mask = after & ~SIGSYS_BIT;
	give(c, 0);
}

static void change_action(const struct call *c)
{
	const struct kernel_action *new = (const struct kernel_action *)c->argument[1];
	struct kernel_action *old = (struct kernel_action *)c->argument[2], changed;

	if (c->argument[0] == SIGSYS) {
		if (old)
			kernel_copy(old, &dispatch.program, sizeof(*old));
		if (new)
			kernel_copy(&dispatch.program, new, sizeof(*new));
		give(c, 0);
		return;
	}
	if (new) {
		kernel_copy(&changed, new, sizeof(changed));
		changed.mask &= ~SIGSYS_BIT;
	}
	give(c, kernel_call(SYS_rt_sigaction, c->argument[0], new ? (long)&changed : 0, (long)old, c->argument[3], 0));
}

/* A call that waits under another mask, which is its argument number `at`. */
static void wait_with_mask(struct call *c, int at)
{
	kernel_sigset mask;

	if (c->argument[at]) {
		mask = *(const kernel_sigset *)c->argument[at] & ~SIGSYS_BIT;
		c->argument[at] = (long)&mask;
	}
	give(c, make(c));
}

static void select_with_mask(struct call *c)
{
	struct {
		const kernel_sigset *set;
		size_t size;
	} changed = { NULL, sizeof(kernel_sigset) };
	kernel_sigset mask;
	const kernel_sigset *const *given = (const kernel_sigset *const *)c->argument[5];

	if (given && *given) {
		mask = **given & ~SIGSYS_BIT;
		changed.set = &mask;
		c->argument[5] = (long)&changed;
	}
	give(c, make(c));
}

/* What is ours is not there for the program. */
static void close_range_around(const struct call *c)
{
	const unsigned first = (unsigned)c->argument[0], last = (unsigned)c->argument[1];
	const unsigned ours = (unsigned)image.brief->first, end = (unsigned)image.brief->last;
	long result = 0;

	if (first > end || last < ours) {
		give(c, make(c));
		return;
	}
	if (first < ours)
		result = kernel_call(SYS_close_range, first, ours - 1, c->argument[2], 0, 0);
	if (result == 0 && last > end)
		result = kernel_call(SYS_close_range, end + 1, last, c->argument[2], 0, 0);
	give(c, result);
}

static void duplicate(const struct call *c)
{
	give(c, is_ours(c->argument[0]) || is_ours(c->argument[1]) ? -EBADF : make(c));
}

static void execute(struct call *c)
{
	static char *list[CARRIED_MAX];
	int at = c->number == SYS_execveat ? 3 : 2;
	char **carried = carry_environment((char *const *)c->argument[at], list, CARRIED_MAX);

	if (carried) {
		c->argument[at] = (long)carried;
		keep_over_exec(true);
	}
	give(c, make(c));
	keep_over_exec(false);
}

/* The program is where it was to stop. What comes back is a process with a connection, which makes its call again. */
static void stop_here(const struct call *c, enum stop_at where)
{
	stop(where);
	*reg(c, REG_RIP) -= SYSCALL_SIZE;
	if (dispatch.blocked)
		*mask_of(c) |= SIGSYS_BIT;
}

_Noreturn static void give_up_exit(const struct call *c)
{
	tell_master(NEWS_EXITED, image.worker.slot, (int)c->argument[0], NULL);
	kernel_call(c->number, c->argument[0], 0, 0, 0, 0);
	kernel_exit((int)c->argument[0]);
}

static void decide(struct call *c)
{
	switch (touch_of(c->number, c->argument, dispatch.error_is_socket)) {
	case TOUCH_NOT:
		give(c, make(c));
		break;
	case TOUCH_ASKS:
		stop_here(c, STOP_FIRST_IO);
		break;
	case TOUCH_ANSWERS:
		if (image.brief->stop_at != STOP_FIRST_WRITE)
			give_up(NEWS_EARLY, 0, "it answers before it has asked anything of its connection");
		stop_here(c, STOP_FIRST_WRITE);
		break;
	case TOUCH_CANNOT:
	default:
		give_up(NEWS_EARLY, 0, "it uses asynchronous input and output, which cannot be seen");
	}
}

static void handle(struct call *c)
{
	switch (c->number) {
	case SYS_rt_sigreturn:
		*reg(c, REG_RIP) = (greg_t)(uintptr_t)kernel_signal_return;
		break;
	case SYS_vfork:
	case SYS_clone:
	case SYS_clone3:
	case SYS_sigaltstack:
		make_in_stub(c);
		break;
	case SYS_rt_sigprocmask:
		change_mask(c);
		break;
	case SYS_rt_sigaction:
		change_action(c);
		break;
	case SYS_rt_sigsuspend:
		wait_with_mask(c, 0);
		break;
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
		wait_with_mask(c, 4);
		break;
	case SYS_close:
		give(c, is_ours(c->argument[0]) ? -EBADF : make(c));
		break;
	case SYS_close_range:
		close_range_around(c);
		break;
	case SYS_dup2:
	case SYS_dup3:
		duplicate(c);
		break;
	case SYS_execve:
	case SYS_execveat:
		execute(c);
		break;
	case SYS_exit:
	case SYS_exit_group:
		give_up_exit(c);
	case SYS_ppoll:
	case SYS_pselect6:
		if (touch_of(c->number, c->argument, dispatch.error_is_socket) != TOUCH_NOT)
			decide(c);
		else if (c->number == SYS_ppoll)
			wait_with_mask(c, 3);
		else
			select_with_mask(c);
		break;
	default:
		decide(c);
	}
}

static void on_call(int sig, siginfo_t *info, void *context)
{
	struct call c;
	const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	c.context = context;
	c.number = r[REG_RAX];
	c.argument[0] = r[REG_RDI];
	c.argument[1] = r[REG_RSI];
	c.argument[2] = r[REG_RDX];
	c.argument[3] = r[REG_R10];
	c.argument[4] = r[REG_R8];
	c.argument[5] = r[REG_R9];
	handle(&c);
}

/* Where this library's code lies: what calls from there is not dispatched. */
extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));

static bool own_code(uint64_t *start, uint64_t *size)
{
	const char *base = (const char *)&__ehdr_start;
	const Elf64_Phdr *p = (const void *)(base + __ehdr_start.e_phoff);

	for (int i = 0; i < __ehdr_start.e_phnum; i++)
		if (p[i].p_type == PT_LOAD && p[i].p_flags & PF_X) {
			*start = (uint64_t)(uintptr_t)base + p[i].p_vaddr;
			*size = p[i].p_memsz;
			return true;
		}
	return false;
}

static bool is_socket(int fd)
{
	struct stat st;

	return kernel_call(SYS_fstat, fd, (long)&st, 0, 0, 0) == 0 && S_ISSOCK(st.st_mode);
}

bool dispatch_arm(void)
{
	const struct kernel_action action = {
		.handler = (void (*)(int))(void (*)(void))on_call,
		.flags = SA_SIGINFO | SA_NODEFER | SA_RESTORER,
		.restorer = kernel_signal_return,
	};
	uint64_t start, size;

	if (!own_code(&start, &size) || kernel_action(SIGSYS, &action, &dispatch.program) < 0)
		return false;
	dispatch.error_is_socket = is_socket(STDERR_FILENO);
	if (kernel_call(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, (long)start, (long)size,
	                (long)&dispatch.selector) < 0) {
		kernel_action(SIGSYS, &dispatch.program, NULL);
		return false;
	}
	dispatch.on = true;
	dispatch.selector = 1;
	return true;
}

void dispatch_end(void)
{
	if (!dispatch.on)
		return;
	dispatch.on = false;
	dispatch.selector = 0;
	kernel_call(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
	kernel_action(SIGSYS, &dispatch.program, NULL);
}

#else

/* Only x86-64 so far: elsewhere a program is stopped before main(). */
bool dispatch_arm(void)
{
	return false;
}

void dispatch_end(void)
{
}

#endif
