/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs of `gantry`. Each gets its own argv (argv[0] is the verb) and returns an exit code. */

typedef int (*VerbFunction)(int argc, char *argv[]);

int verb_connector(int argc, char *argv[]);
int verb_protocol(int argc, char *argv[]); /* spec, check, discover, read, write */
int verb_sync(int argc, char *argv[]);
