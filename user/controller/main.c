// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "controller/controller.h"

int main(int argc, char **argv)
{
	struct jt_options options;
	int status;

	jt_options_read(&options, argc, argv);
	status = jt_controller_run(&options);
	jt_options_free(&options);
	return status;
}
