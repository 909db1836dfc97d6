# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Guests that know nothing of Jitney.

tests+=(start)

test_start() { xl list; }
