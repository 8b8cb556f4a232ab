// SPDX-License-Identifier: GPL-2.0
/* What is written to the debug-exit port is the process's status: (value << 1) | 1. */
#include "rt/rt.h"

int main(void)
{
	u32 code = cmdline_num("code", 0);

	report(true, "leaving with %u", code);
	if (cmdline_has("wide"))
		outl(DEBUG_EXIT_PORT, code);
	else
		outb(DEBUG_EXIT_PORT, code);
	report(false, "the port ended the guest");
	return 0;
}
