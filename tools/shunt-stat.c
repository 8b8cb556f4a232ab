// SPDX-License-Identifier: GPL-2.0
/*
 * shunt-stat - what the queues of the vhost devices do, per second.
 *
 * Reads the text files that vhost_core keeps in debugfs, one a device. A name it does not know there
 * is skipped; one that is missing counts as 0.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define DEBUGFS		"/sys/kernel/debug"
#define HEADER_EVERY	20

enum {
	KICKS, SIGNALS, SUPPRESSED, BATCHES, ELEMENTS, PACKETS, BYTES, POLL_HITS, POLL_MISSES, ERRORS,
	WORKER_WAKES, WORKER_SLEEPS, N_COUNTERS
};

/* As the kernel calls them, and the head of the column, NULL for none */
static const struct {
	const char *name;
	const char *head;
	int width;
} counters[N_COUNTERS] = {
	[KICKS] = { "kicks", "kick/s", 8 },
	[SIGNALS] = { "signals", "sig/s", 8 },
	[SUPPRESSED] = { "suppressed", "nosig/s", 8 },
	[BATCHES] = { "batches", "batch/s", 9 },
	[ELEMENTS] = { "elements", "buf/s", 9 },
	[PACKETS] = { "packets", "pkt/s", 9 },
	[BYTES] = { "bytes", "byte/s", 12 },
	[POLL_HITS] = { "poll_hits", "hit/s", 7 },
	[POLL_MISSES] = { "poll_misses", "miss/s", 7 },
	[ERRORS] = { "errors", "err/s", 6 },
	[WORKER_WAKES] = { "worker_wakes", "wake/s", 8 },
	[WORKER_SLEEPS] = { "worker_sleeps", NULL, 0 },
};

struct queue {
	int owner;
	int dev;
	unsigned int vq;
	char name[16];
	int worker;
	unsigned int tid;
	uint64_t count[N_COUNTERS];
};

struct sample {
	struct queue *q;
	size_t n;
	struct timespec at;
};

static const char *root = DEBUGFS "/vhost-shunt";

static int complain(const char *fmt, const char *arg)
{
	fprintf(stderr, "shunt-stat: ");
	fprintf(stderr, fmt, arg);
	fputc('\n', stderr);
	return -1;
}

/* Why is there nothing to read? */
static int explain(int err)
{
	struct statfs fs;

	if (err == EACCES)
		return complain("%s: no permission; only root may read it", root);
	if (err == EPERM)
		return complain("%s: the kernel is locked down and lets nobody read debugfs", root);
	if (err != ENOENT || strncmp(root, DEBUGFS, strlen(DEBUGFS)))
		return complain("%s", strerror(err));
	if (statfs(DEBUGFS, &fs) || fs.f_type != DEBUGFS_MAGIC)
		return complain("debugfs is not mounted: mount -t debugfs debugfs %s", DEBUGFS);
	return complain("there is no %s: vhost_core is not loaded", root);
}

static void set(struct queue *q, const char *name, const char *value)
{
	int i;

	if (!strcmp(name, "vq"))
		q->vq = strtoul(value, NULL, 10);
	else if (!strcmp(name, "name"))
		snprintf(q->name, sizeof(q->name), "%s", value);
	else if (!strcmp(name, "worker"))
		q->worker = atoi(value);
	else if (!strcmp(name, "tid"))
		q->tid = strtoul(value, NULL, 10);
	for (i = 0; i < N_COUNTERS; i++)
		if (!strcmp(name, counters[i].name))
			q->count[i] = strtoull(value, NULL, 10);
}

static int add_line(struct sample *s, int owner, int dev, char *line)
{
	struct queue *more = realloc(s->q, (s->n + 1) * sizeof(*more)), *q;
	char *word, *save, *eq;

	if (!more)
		return -ENOMEM;
	s->q = more;
	q = &more[s->n++];
	*q = (struct queue){ .owner = owner, .dev = dev, .worker = -1 };
	for (word = strtok_r(line, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
		eq = strchr(word, '=');
		if (!eq)
			continue;
		*eq = 0;
		set(q, word, eq + 1);
	}
	return 0;
}

/* A device that has gone meanwhile is none. */
static int add_device(struct sample *s, const char *folder, int only)
{
	int owner, dev, ret = 0;
	char *line = NULL, *path;
	size_t size = 0;
	FILE *f;

	if (sscanf(folder, "%d-%d", &owner, &dev) != 2 || (only && owner != only))
		return 0;
	if (asprintf(&path, "%s/%s/stats", root, folder) < 0)
		return -ENOMEM;
	f = fopen(path, "re");
	free(path);
	if (!f)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	while (!ret && getline(&line, &size, f) > 0)
		ret = add_line(s, owner, dev, line);
	free(line);
	fclose(f);
	return ret;
}

static int by_place(const void *a, const void *b)
{
	const struct queue *x = a, *y = b;

	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->vq < y->vq ? -1 : x->vq > y->vq;
}

static int sample_take(struct sample *s, int only)
{
	struct dirent *e;
	int ret = 0;
	DIR *d;

	*s = (struct sample){ .n = 0 };
	d = opendir(root);
	if (!d)
		return explain(errno);
	clock_gettime(CLOCK_MONOTONIC, &s->at);
	while (!ret && (e = readdir(d)))
		ret = add_device(s, e->d_name, only);
	closedir(d);
	if (ret)
		return explain(-ret);
	if (s->n)
		qsort(s->q, s->n, sizeof(*s->q), by_place);
	return 0;
}

/* What was counted since the last sample; all of it if the device is new, or began anew. */
static void since(const struct sample *before, const struct queue *q, uint64_t *diff)
{
	const struct queue *old = NULL;
	int i;

	if (before->n)
		old = bsearch(q, before->q, before->n, sizeof(*q), by_place);
	for (i = 0; i < N_COUNTERS && old; i++)
		if (q->count[i] < old->count[i])
			old = NULL;
	for (i = 0; i < N_COUNTERS; i++)
		diff[i] = q->count[i] - (old ? old->count[i] : 0);
}

static void show_header(void)
{
	int i;

	printf("%7s %3s %2s %-4s %7s", "OWNER", "DEV", "VQ", "NAME", "TID");
	for (i = 0; i < N_COUNTERS; i++)
		if (counters[i].head)
			printf(" %*s", counters[i].width, counters[i].head);
	putchar('\n');
}

static void show_row(const struct queue *q, const uint64_t *diff, double seconds)
{
	int i;

	printf("%7d %3d %2u %-4s %7u", q->owner, q->dev, q->vq, q->name, q->tid);
	for (i = 0; i < N_COUNTERS; i++)
		if (counters[i].head)
			printf(" %*.0f", counters[i].width, diff[i] / seconds);
	putchar('\n');
}

static void show_json(const struct queue *q, const uint64_t *diff, double seconds, bool first)
{
	int i;

	printf("%s{\"owner\":%d,\"dev\":%d,\"vq\":%u,\"name\":\"%s\",\"worker\":%d,\"tid\":%u,"
	       "\"total\":{", first ? "" : ",", q->owner, q->dev, q->vq, q->name, q->worker, q->tid);
	for (i = 0; i < N_COUNTERS; i++)
		printf("%s\"%s\":%" PRIu64, i ? "," : "", counters[i].name, q->count[i]);
	printf("},\"per_second\":{");
	for (i = 0; i < N_COUNTERS; i++)
		printf("%s\"%s\":%.1f", i ? "," : "", counters[i].name, diff[i] / seconds);
	printf("}}");
}

static void show(const struct sample *before, const struct sample *now, bool json)
{
	double seconds = now->at.tv_sec - before->at.tv_sec +
			 (now->at.tv_nsec - before->at.tv_nsec) / 1e9;
	uint64_t diff[N_COUNTERS];
	static unsigned int lines;
	size_t i;

	if (json)
		printf("{\"seconds\":%.3f,\"queues\":[", seconds);
	else if (!now->n)
		puts("no devices");
	for (i = 0; i < now->n; i++) {
		since(before, &now->q[i], diff);
		if (json) {
			show_json(&now->q[i], diff, seconds, !i);
			continue;
		}
		if (lines++ % HEADER_EVERY == 0)
			show_header();
		show_row(&now->q[i], diff, seconds);
	}
	if (json)
		puts("]}");
	fflush(stdout);
}

static void usage(FILE *to)
{
	fprintf(to, "Usage: shunt-stat [OPTION]...\n"
		"What the queues of the vhost devices do, per second.\n\n"
		"  -i, --interval SECONDS  between two looks (1)\n"
		"  -n, --count N           end after so many (never)\n"
		"  -p, --pid PID           only devices of this process\n"
		"      --json              one JSON object a look, with totals\n"
		"      --root FOLDER       read there (" DEBUGFS "/vhost-shunt)\n"
		"  -h, --help              this text\n");
}

/* A number that is all of @text and more than 0, or -1 */
static double number(const char *text, double most)
{
	char *end;
	double v = strtod(text, &end);

	return *text && !*end && v > 0 && v <= most ? v : -1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "interval", 1, NULL, 'i' }, { "count", 1, NULL, 'n' }, { "pid", 1, NULL, 'p' },
		{ "json", 0, NULL, 'j' }, { "root", 1, NULL, 'r' }, { "help", 0, NULL, 'h' },
		{ 0 },
	};
	double interval = 1, count = 0, pid = 0;
	struct sample before, now;
	struct timespec pause;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "i:n:p:h", options, NULL)) != -1) {
		switch (c) {
		case 'i':
			interval = number(optarg, 1e6);
			break;
		case 'n':
			count = number(optarg, 1e9);
			break;
		case 'p':
			pid = number(optarg, 1e9);
			break;
		case 'j':
			json = true;
			break;
		case 'r':
			root = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc || interval < 0 || count < 0 || pid < 0) {
		complain("%s is not what was expected; see --help", argv[optind < argc ? optind : optind - 1]);
		return 2;
	}
	pause.tv_sec = interval;
	pause.tv_nsec = (interval - pause.tv_sec) * 1e9;

	if (sample_take(&before, pid))
		return 1;
	while (!nanosleep(&pause, NULL)) {
		if (sample_take(&now, pid)) {
			free(before.q);
			return 1;
		}
		show(&before, &now, json);
		free(before.q);
		before = now;
		if (count && --count < 1)
			break;
	}
	free(before.q);
	return ferror(stdout) ? 1 : 0;
}
