/* SPDX-License-Identifier: ISC */
/*
 * The program has stopped. Of a preexecuted image the process itself becomes a worker; a template waits for orders and forks workers, and
 * never goes on itself.
 *
 * A worker is made with a bare clone: as the master's child, so that its end and the master's are told by the kernel alone. What fork(3)
 * does besides is done here: the thread's number in the C library's memory, and the robust list; and what a process keeps but no child of it inherits.
 * pthread_atfork handlers do not run.
 */
#include "config.h"

#include "image.h"

#include <sched.h>
#include <sys/prctl.h>

#ifndef PR_GET_TID_ADDRESS
#define PR_GET_TID_ADDRESS 40
#endif

bool tell_master(enum news_kind kind, uint32_t slot, int value, const char *text)
{
	struct news n;
	volatile unsigned char *byte = (volatile unsigned char *)&n;

	for (size_t i = 0; i < sizeof(n); i++)
		byte[i] = 0;
	n.kind = kind;
	n.slot = slot;
	n.value = value;
	for (size_t i = 0; text && text[i] && i < NEWS_TEXT - 1; i++)
		((volatile char *)n.text)[i] = text[i];
	return kernel_send(image.brief->news, &n, sizeof(n), MSG_NOSIGNAL) == sizeof(n);
}

static void tell_ready(enum stop_at where, uint32_t threads)
{
	struct news n;
	volatile unsigned char *byte = (volatile unsigned char *)&n;

	for (size_t i = 0; i < sizeof(n); i++)
		byte[i] = 0;
	n.kind = NEWS_READY;
	n.value = (int)where;
	n.threads = threads;
	n.memory = memory_in_use();
	kernel_send(image.brief->news, &n, sizeof(n), MSG_NOSIGNAL);
}

/* Accepts until there is a connection to be served. It does not come back without one. */
static void wait_for_connection(struct worker *w)
{
	if (!worker_enter(w))
		worker_leave(w);
	while (worker_accept(w)) {
		if (worker_admit(w))
			return;
		if (!worker_finish(w))
			break;
	}
	worker_leave(w);
}

static pid_t make_process(void)
{
	static int *tid_address;
	void *robust = NULL;
	size_t robust_size = 0;
	long pid;

	if (!tid_address && kernel_prctl(PR_GET_TID_ADDRESS, (unsigned long)&tid_address) < 0)
		tid_address = NULL;
	kernel_call(SYS_get_robust_list, 0, (long)&robust, (long)&robust_size, 0, 0);
	pid = kernel_call(SYS_clone,
	                  CLONE_PARENT | (tid_address ? CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID : 0) | SIGCHLD, 0, 0,
	                  (long)tid_address, 0);
	if (pid == 0 && image.is_subreaper)
		kernel_prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (pid == 0 && robust)
		kernel_call(SYS_set_robust_list, (long)robust, (long)robust_size, 0, 0, 0);
	return (pid_t)pid;
}

/* The way from a fork of the template to an idle worker. */
static void be_worker(struct worker *w, uint32_t slot)
{
	int error;

	w->slot = slot;
	if (!tell_master(NEWS_WORKER, slot, 0, NULL))
		kernel_exit(0);
	error = (int)kernel_call(SYS_setsid, 0, 0, 0, 0, 0);
	if (error < 0)
		worker_fail(w, STEP_SESSION, -error);
	error = reopen_files();
	if (error < 0)
		worker_fail(w, STEP_FILES, -error);
	wait_for_connection(w);
}

/* True in a new worker that has its connection. */
static bool obey(const struct order *o)
{
	image.worker.generation = o->generation;
	for (uint32_t i = 0; i < o->count && i < ORDER_MAX; i++) {
		pid_t pid = make_process();

		if (pid == 0) {
			be_worker(&image.worker, o->slots[i]);
			return true;
		}
		if (pid < 0)
			tell_master(NEWS_TROUBLE, o->slots[i], -pid, NULL);
	}
	return false;
}

/* Until the master lets go of it. It returns only in a worker. */
static void be_template(void)
{
	struct order o;
	ssize_t n;

	for (;;) {
		n = kernel_receive(image.brief->news, &o, sizeof(o), 0);
		if (n == -EINTR)
			continue;
		if (n != (ssize_t)sizeof(o))
			kernel_exit(0);
		if (obey(&o))
			return;
	}
}

/* What the program has set up for its signals is none of a worker's business, and comes back with the connection. */
static struct kept {
	struct kernel_action action[65];
	uint64_t changed; /* those that are not at their default */
	kernel_sigset mask;
} kept;

static void keep_signals(void)
{
	const struct kernel_action by_default = { 0 };

	kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&(kernel_sigset){ KERNEL_SIGALL }, (long)&kept.mask, sizeof(kept.mask), 0);
	for (int sig = 1; sig <= 64; sig++) {
		struct kernel_action *a = &kept.action[sig];

		if (sig == SIGKILL || sig == SIGSTOP || sig == SIGSYS || kernel_action(sig, NULL, a) < 0 || !a->handler)
			continue;
		kept.changed |= KERNEL_SIGBIT(sig);
		kernel_action(sig, &by_default, NULL);
	}
}

static void give_signals_back(void)
{
	for (int sig = 1; kept.changed && sig <= 64; sig++)
		if (kept.changed & KERNEL_SIGBIT(sig))
			kernel_action(sig, &kept.action[sig], NULL);
	kernel_sigmask(SIG_SETMASK, kept.mask);
}

static bool is_shared(enum stop_at where)
{
	uint32_t threads;
	const char *why = examine(&threads);

	if (!why) {
		tell_ready(where, threads);
		return true;
	}
	tell_master(NEWS_UNFIT, 0, LAUNCH_PREEXEC, why);
	kernel_exit(0);
}

/* The process itself becomes a worker. What would come over the program while it waits is not for it to miss. */
static void wait_alone(enum stop_at where)
{
	const char *why = where == STOP_MAIN ? NULL : has_timer() ? "it has a timer running" : has_pending() ? "it has a signal pending" : NULL;

	if (why) {
		tell_master(NEWS_EARLY, image.worker.slot, 0, why);
		kernel_exit(0);
	}
	wait_for_connection(&image.worker);
}

void stop(enum stop_at where)
{
	int dumpable = kernel_prctl(PR_GET_DUMPABLE, 0);

	keep_signals();
	kernel_prctl(PR_SET_DUMPABLE, 0); /* another process of this user could take the listener */
	if (image.brief->launch == LAUNCH_FORKSERVER && is_shared(where))
		be_template();
	else
		wait_alone(where);
	become_program();
	if (image.death_signal)
		kernel_prctl(PR_SET_PDEATHSIG, (unsigned long)image.death_signal);
	if (dumpable == 1)
		kernel_prctl(PR_SET_DUMPABLE, 1);
	give_signals_back();
	dispatch_end();
}
