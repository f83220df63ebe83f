/* SPDX-License-Identifier: ISC */
#include "step.h"

const char *step_text(unsigned step)
{
	static const char *const text[STEPS] = {
		[STEP_NONE] = "start",
		[STEP_BOARD] = "map the board",
		[STEP_SIGNALS] = "set up signals",
		[STEP_SESSION] = "start a session",
		[STEP_OOM_SCORE] = "set the oom score",
		[STEP_NICE] = "set the nice value",
		[STEP_LIMITS] = "set the resource limits",
		[STEP_CHROOT] = "change the root directory to",
		[STEP_DIRECTORY] = "change to the directory",
		[STEP_GROUPS] = "set the supplementary groups of",
		[STEP_GROUP] = "change to the group of",
		[STEP_USER] = "change to the user",
		[STEP_REGAINED] = "give up root for good as user",
		[STEP_NO_NEW_PRIVILEGES] = "renounce new privileges",
		[STEP_STDERR] = "set up standard error",
		[STEP_PARENT] = "ask for news of the master's death",
		[STEP_ACCEPT] = "accept",
		[STEP_DESCRIPTORS] = "put the connection on descriptors 0 and 1",
		[STEP_FILES] = "open the program's files again",
		[STEP_EXEC] = "execute",
	};

	return step < STEPS && text[step] ? text[step] : "do an unknown step";
}
