/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Programs beside the VMM: each has a socket to it, its standard error, standard input
 * and output if it is to serve these, the few descriptors that it is given, and nothing else. They die with the
 * VMM however it ends, and get no signal from its terminal.
 *
 * Context: main thread, because a program goes when the thread that started it goes; process_kill() on any
 * thread, but not at the same time as the others.
 */
#ifndef VMM_PROCESS_H
#define VMM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#define PROCESS_ARGS	80
#define PROCESS_SOCKET	3
#define PROCESS_EXTRA	4
#define PROCESS_EXTRAS	64

/**
 * struct process - one program
 * @name: of it, "shunt-blk"; looked for beside the VMM, then in PATH
 * @argv: its arguments, owned, NULL-terminated: the first is @name
 * @pieces: @pieces_len: of process_arg_open()
 * @foreign: none of ours: its socket is a listening one, at which we have connected and nobody else can
 * @from: where it comes from, if it is missing
 * @extra: @nr_extra descriptors, which it gets as numbers PROCESS_EXTRA and up; they stay the caller's
 * @stdio: it has standard input and output
 * @quiet: standard error is nobody's
 * @pid: @pidfd: 0 and -1 while it does not run
 */
struct process {
	const char *name;
	char *argv[PROCESS_ARGS];
	char *pieces;
	size_t pieces_len;
	const char *from;
	int extra[PROCESS_EXTRAS];
	unsigned int nr_extra;
	bool foreign, stdio, quiet;
	pid_t pid;
	int pidfd;
};

/** process_init() - @p: one of ours, nothing runs, no arguments but that for its socket. Return: 0, or -ENOMEM */
int process_init(struct process *p, const char *name);
/** process_init_foreign() - likewise; no arguments at all. The socket is descriptor PROCESS_SOCKET */
int process_init_foreign(struct process *p, const char *name, const char *from);
/** process_arg() - one more argument. Return: 0; -ENOMEM, -E2BIG */
int process_arg(struct process *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** process_arg_open() - one more argument, in pieces. Return: where they go, for process_arg_close(); NULL: no memory */
FILE *process_arg_open(struct process *p);
/** process_arg_close() - it is whole. Return: as process_arg() */
int process_arg_close(struct process *p, FILE *out);
/** process_arg_again() - the last argument anew. Return: 0; -ENOMEM, it is what it was */
int process_arg_again(struct process *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** process_args() - Return: how many there are */
unsigned int process_args(const struct process *p);
/** process_args_cut() - forget all arguments but the first @n */
void process_args_cut(struct process *p, unsigned int n);
/**
 * process_control() - a socket between the two, whose other end is another @extra
 *
 * Return: our end, which is non-blocking; or -errno
 */
int process_control(struct process *p);
/**
 * process_tell() - a line for its @control socket, which drops the answers to those before
 * @fd: goes with it; or -1
 *
 * Return: 0 or -errno; -EPIPE: it has gone
 */
int process_tell(int control, const char *line, int fd);
/** process_answer() - the answer, in time, in @line of @size bytes. Return: it without its end; NULL: there is none */
char *process_answer(int control, char *line, size_t size);
/** process_free() - the arguments; it was ended before */
void process_free(struct process *p);

/**
 * process_start() - run it
 * @opt: begins messages
 *
 * Return: our end of its socket; or -errno after one logged line
 */
int process_start(struct process *p, const char *opt);
/** process_kill() - SIGKILL, if it runs; it is to be reaped still */
void process_kill(const struct process *p);
/** process_wait() - Return: whether it has ended, or does so within @ms; it is to be reaped still */
bool process_wait(const struct process *p, int ms);
/**
 * process_reap() - it has ended, or shall have done so soon: wait for it
 * @how: gets words, such as "was killed by signal 9"
 *
 * Return: 0 it exited, with a status of 1: it has said why itself; 1 anything else
 */
int process_reap(struct process *p, char *how, size_t len);
/** process_end() - SIGTERM; SIGKILL a while later. It does not run afterwards */
void process_end(struct process *p);

#endif
