/* SPDX-License-Identifier: ISC */
/* One suite for each source file, each with one test case. */
#ifndef SUITES_H
#define SUITES_H

#include <check.h>

Suite *accept_suite(void);
Suite *access_suite(void);
Suite *access_list_suite(void);
Suite *access_rule_suite(void);
Suite *address_suite(void);
Suite *birth_suite(void);
Suite *board_suite(void);
Suite *bucket_suite(void);
Suite *builtin_suite(void);
Suite *complaints_suite(void);
Suite *configuration_suite(void);
Suite *deadline_suite(void);
Suite *document_suite(void);
Suite *environment_suite(void);
Suite *gate_suite(void);
Suite *handshakes_suite(void);
Suite *hint_suite(void);
Suite *holder_suite(void);
Suite *hours_suite(void);
Suite *kernel_suite(void);
Suite *keys_suite(void);
Suite *listener_suite(void);
Suite *lists_suite(void);
Suite *log_suite(void);
Suite *lookup_suite(void);
Suite *meaning_suite(void);
Suite *plan_suite(void);
Suite *proxy_suite(void);
Suite *processes_suite(void);
Suite *queue_suite(void);
Suite *received_suite(void);
Suite *records_suite(void);
Suite *resolve_suite(void);
Suite *resolver_suite(void);
Suite *service_config_suite(void);
Suite *socket_options_suite(void);
Suite *source_suite(void);
Suite *sources_suite(void);
Suite *sources_model_suite(void);
Suite *step_suite(void);
Suite *touch_suite(void);
Suite *value_suite(void);
Suite *variables_suite(void);
Suite *worker_suite(void);

/* The table's row is in every failure's message. */
#define rows(table) ((int)(sizeof(table) / sizeof((table)[0])))

#endif
