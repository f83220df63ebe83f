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
#include <sched.h>
#include <sys/prctl.h>
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
	kernel_sigset masks;          /* signals whose handlers are to block SIGSYS, as the program believes */
} dispatch;

void kernel_signal_return(void) __attribute__((visibility("hidden")));

/*
 * Stubs, one for each place in the program that needs one: the system call, then a jump to the address behind that of the program. A
 * shared one could not know the way back: parent and child come back on different stacks, or one after the other on the same.
 */
#define STUBS 128 /* as in the code below */

struct stub {
	unsigned char code[8]; /* syscall; jmp *stub_back[i] */
};

extern const struct stub stubs[STUBS] __attribute__((visibility("hidden")));
extern uint64_t stub_back[STUBS] __attribute__((visibility("hidden")));

uint64_t stub_back[STUBS];

__asm__(".text\n"
        ".balign 64\n"
        ".hidden stubs\n"
        ".globl stubs\n"
        "stubs:\n"
        ".set at, 0\n"
        ".rept 128\n"
        "	syscall\n"
        "	jmp *stub_back + at(%rip)\n"
        ".set at, at + 8\n"
        ".endr\n");

static unsigned stub_count;

/* NULL where the program has too many such places. */
static const struct stub *stub_for(uint64_t back)
{
	for (unsigned i = 0; i < stub_count; i++)
		if (stub_back[i] == back)
			return &stubs[i];
	if (stub_count == STUBS)
		return NULL;
	stub_back[stub_count] = back;
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
		give_up(NEWS_EARLY, 0, "it makes children in too many places");
	*reg(c, REG_RIP) = (greg_t)(uintptr_t)s->code;
}

static bool is_plain_fork(const struct call *c)
{
	const uint64_t *extended = (const uint64_t *)c->argument[0];
	uint64_t flags, stack;

	if (c->number == SYS_fork)
		return true;
	if (c->number != SYS_clone && c->number != SYS_clone3)
		return false;
	flags = c->number == SYS_clone ? (uint64_t)c->argument[0] : extended[0];
	stack = c->number == SYS_clone ? (uint64_t)c->argument[1] : extended[5];
	return !(flags & (CLONE_VM | CLONE_FILES)) && stack == 0;
}

/* A copy of the process is a process without anything of ours; one that shares its memory will execute, and then has nothing either. */
static void make_child(const struct call *c)
{
	long pid;

	if (!is_plain_fork(c)) {
		make_in_stub(c);
		return;
	}
	pid = make(c);
	if (pid == 0) {
		kernel_call(SYS_close_range, image.brief->first, image.brief->last, 0, 0, 0);
		dispatch_end();
		if (dispatch.blocked)
			*mask_of(c) |= SIGSYS_BIT;
	}
	give(c, pid);
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
	kernel_sigset bit = c->argument[0] >= 1 && c->argument[0] <= 64 ? KERNEL_SIGBIT(c->argument[0]) : 0;
	bool was_masked = dispatch.masks & bit;
	long result;

	if (c->argument[0] == SIGSYS && c->argument[3] == sizeof(kernel_sigset)) {
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
	if (new && changed.mask != new->mask)
		dispatch.masks |= bit;
	else if (new)
		dispatch.masks &= ~bit;
	result = kernel_call(SYS_rt_sigaction, c->argument[0], new ? (long)&changed : 0, (long)old, c->argument[3], 0);
	if (result == 0 && old && was_masked)
		old->mask |= SIGSYS_BIT;
	give(c, result);
}

static void give_masks_back(void)
{
	struct kernel_action action;

	for (int sig = 1; dispatch.masks && sig <= 64; sig++) {
		if (!(dispatch.masks & KERNEL_SIGBIT(sig)) || kernel_action(sig, NULL, &action) < 0)
			continue;
		action.mask |= SIGSYS_BIT;
		kernel_action(sig, &action, NULL);
	}
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

	if (first > last || first > end || last < ours) {
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
	if (is_ours(c->argument[1]))
		give_up(NEWS_EARLY, 0, "it wants the number of a descriptor that is taken before it has its connection");
	give(c, is_ours(c->argument[0]) ? -EBADF : make(c));
}

static void execute(struct call *c)
{
	static char *list[CARRIED_MAX];
	int at = c->number == SYS_execveat ? 3 : 2;
	const char *why = c->number == SYS_execveat ?
	                          obstacle_to_stop((int)c->argument[0], (const char *)c->argument[1], (int)c->argument[4]) :
	                          obstacle_to_stop(AT_FDCWD, (const char *)c->argument[0], 0);
	char **carried = carry_environment((char *const *)c->argument[at], list, CARRIED_MAX);

	if (why || !carried)
		give_up(NEWS_EARLY, 0, why ? why : "it executes another program with too large an environment");
	c->argument[at] = (long)carried;
	keep_over_exec(true);
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
	case TOUCH_ASKS:
		stop_here(c, STOP_FIRST_IO);
		break;
	case TOUCH_ANSWERS:
		if (image.brief->stop_at != STOP_FIRST_WRITE)
			give_up(NEWS_EARLY, 0, "it answers before it has asked anything of its connection");
		stop_here(c, STOP_FIRST_WRITE);
		break;
	case TOUCH_NOT:
	case TOUCH_CANNOT:
	default:
		give_up(NEWS_EARLY, 0, "it uses asynchronous input and output, which cannot be seen");
	}
}

/* The signal that tells of the parent's end is ours until there is a connection. Who filters system calls would filter ours. */
static void control(const struct call *c)
{
	switch (c->argument[0]) {
	case PR_SET_PDEATHSIG:
		if ((unsigned long)c->argument[1] > 64) {
			give(c, -EINVAL);
			break;
		}
		image.death_signal = (int)c->argument[1];
		give(c, 0);
		break;
	case PR_GET_PDEATHSIG:
		*(int *)c->argument[1] = image.death_signal;
		give(c, 0);
		break;
	case PR_SET_SECCOMP:
		give_up(NEWS_EARLY, 0, "it restricts its own system calls");
	default:
		give(c, make(c));
	}
}

/* What takes a descriptor first, as far as a program could find ours by it. */
static bool looks_at_ours(const struct call *c)
{
	static const short calls[] = { SYS_fcntl, SYS_fstat, SYS_dup,  SYS_ioctl, SYS_lseek, SYS_read, SYS_write, SYS_sendto, SYS_sendmsg, SYS_recvfrom,
		                           SYS_recvmsg, SYS_getsockopt, SYS_setsockopt, SYS_getsockname, SYS_getpeername, SYS_shutdown, SYS_accept, SYS_accept4, SYS_flock };

	for (size_t i = 0; is_ours(c->argument[0]) && i < sizeof(calls) / sizeof(calls[0]); i++)
		if (c->number == calls[i])
			return true;
	return false;
}

static bool stops(const struct call *c)
{
	return touch_of(c->number, c->argument, dispatch.error_is_socket) != TOUCH_NOT;
}

static void handle(struct call *c)
{
	if (looks_at_ours(c)) {
		give(c, -EBADF);
		return;
	}
	if (stops(c)) {
		decide(c);
		return;
	}
	switch (c->number) {
	case SYS_rt_sigreturn:
		*reg(c, REG_RIP) = (greg_t)(uintptr_t)kernel_signal_return;
		break;
	case SYS_fork:
	case SYS_clone:
	case SYS_clone3:
		make_child(c);
		break;
	case SYS_vfork:
	case SYS_sigaltstack:
		make_in_stub(c);
		break;
	case SYS_prctl:
		control(c);
		break;
	case SYS_seccomp:
		give_up(NEWS_EARLY, 0, "it restricts its own system calls");
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
		wait_with_mask(c, 3);
		break;
	case SYS_pselect6:
		select_with_mask(c);
		break;
	default:
		give(c, make(c));
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
	dispatch.error_is_socket = image.brief->worker.stderr_to == STDERR_SOCKET; /* the log may be a socket, too */
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
	give_masks_back();
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
