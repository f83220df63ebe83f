/* SPDX-License-Identifier: ISC */
/* Tells systemd how the daemon is, as sd_notify(3) describes, without its library. */
#ifndef NOTIFY_H
#define NOTIFY_H

/* Remembers NOTIFY_SOCKET and takes it out of the environment. Without it the rest does nothing. */
void notify_init(void);

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
__attribute__((format(printf, 1, 2))) void notify_status(const char *format, ...);

#endif
