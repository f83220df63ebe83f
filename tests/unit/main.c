/* SPDX-License-Identifier: ISC */
#include "suites.h"

#include <stdlib.h>

int main(void)
{
	/* Seconds that only a test that hangs ever needs; the sanitizers and valgrind are slow. */
	setenv("CK_DEFAULT_TIMEOUT", "60", 0);

	SRunner *runner = srunner_create(NULL);

	srunner_add_suite(runner, accept_suite());
	srunner_add_suite(runner, access_suite());
	srunner_add_suite(runner, access_list_suite());
	srunner_add_suite(runner, access_rule_suite());
	srunner_add_suite(runner, address_suite());
	srunner_add_suite(runner, birth_suite());
	srunner_add_suite(runner, board_suite());
	srunner_add_suite(runner, bucket_suite());
	srunner_add_suite(runner, builtin_suite());
	srunner_add_suite(runner, complaints_suite());
	srunner_add_suite(runner, configuration_suite());
	srunner_add_suite(runner, deadline_suite());
	srunner_add_suite(runner, document_suite());
	srunner_add_suite(runner, environment_suite());
	srunner_add_suite(runner, gate_suite());
	srunner_add_suite(runner, handshakes_suite());
	srunner_add_suite(runner, hint_suite());
	srunner_add_suite(runner, holder_suite());
	srunner_add_suite(runner, hours_suite());
	srunner_add_suite(runner, kernel_suite());
	srunner_add_suite(runner, keys_suite());
	srunner_add_suite(runner, listener_suite());
	srunner_add_suite(runner, lists_suite());
	srunner_add_suite(runner, log_suite());
	srunner_add_suite(runner, lookup_suite());
	srunner_add_suite(runner, meaning_suite());
	srunner_add_suite(runner, plan_suite());
	srunner_add_suite(runner, proxy_suite());
	srunner_add_suite(runner, processes_suite());
	srunner_add_suite(runner, queue_suite());
	srunner_add_suite(runner, received_suite());
	srunner_add_suite(runner, records_suite());
	srunner_add_suite(runner, resolve_suite());
	srunner_add_suite(runner, resolver_suite());
	srunner_add_suite(runner, service_config_suite());
	srunner_add_suite(runner, socket_options_suite());
	srunner_add_suite(runner, source_suite());
	srunner_add_suite(runner, sources_suite());
	srunner_add_suite(runner, sources_model_suite());
	srunner_add_suite(runner, step_suite());
	srunner_add_suite(runner, touch_suite());
	srunner_add_suite(runner, value_suite());
	srunner_add_suite(runner, variables_suite());
	srunner_add_suite(runner, worker_suite());
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
