/*
 * Runs in a container with CAP_SYS_PTRACE and looks at every process that appears in /proc: its root, its working directory and its
 * descriptors must belong to the container, none may be a namespace or a process, and its rights none that the watcher lacks. Prints what does not. Ends when /stop appears.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct stat root;

static void check(const char *process, const char *name)
{
	char path[300], target[64];
	ssize_t length;
	struct stat found;

	snprintf(path, sizeof(path), "/proc/%s/%s", process, name);
	length = readlink(path, target, sizeof(target) - 1);
	target[length < 0 ? 0 : length] = 0;
	if (strstr(target, "mnt:[") || strstr(target, "net:[") || strstr(target, "ipc:[") || strstr(target, "pid:[") || strstr(target, "pidfd"))
		printf("%s is %s\n", name, target);
	if (stat(path, &found) == 0 && S_ISDIR(found.st_mode) && found.st_dev != root.st_dev)
		printf("%s is of device %lx\n", name, (unsigned long)found.st_dev);
}

static unsigned long long rights(const char *process)
{
	char path[300], text[4096], *line;
	ssize_t length = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/status", process);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		length = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[length < 0 ? 0 : length] = 0;
	line = strstr(text, "CapPrm:");
	return line ? strtoull(line + 7, NULL, 16) : 0;
}

int main(void)
{
	unsigned long long own = rights("self");
	unsigned long seen = 0;

	setvbuf(stdout, NULL, _IONBF, 0);
	stat("/", &root);
	while (access("/stop", F_OK) < 0) {
		DIR *all = opendir("/proc");
		struct dirent *entry;

		while (all && (entry = readdir(all))) {
			if (!isdigit(entry->d_name[0]) || atoi(entry->d_name) == 1)
				continue;
			seen++;
			if (rights(entry->d_name) & ~own)
				printf("more rights\n");
			check(entry->d_name, "root");
			check(entry->d_name, "cwd");
			for (int fd = 3; fd < 32; fd++) {
				char name[16];

				snprintf(name, sizeof(name), "fd/%d", fd);
				check(entry->d_name, name);
			}
		}
		if (all)
			closedir(all);
	}
	printf("looked %s\n", seen > 0 ? "at processes" : "at nothing");
	return 0;
}
