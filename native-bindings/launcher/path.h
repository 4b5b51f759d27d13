/* Paths below a root that somebody else may be changing: always through openat2, never through a magic link. */
#ifndef TSDOCKER_PATH_H
#define TSDOCKER_PATH_H

#include <stdbool.h>
#include <stdint.h>

/* openat2, retried while a rename storm makes the kernel give up. Returns a close-on-exec fd or -1. */
int open_beneath(int directory, const char *path, uint64_t flags, uint64_t resolve);

/*
 * Opens `path` with `directory` as its root: absolute links and ".." stay inside. AT_FDCWD stands for the process's root, not
 * for its working directory. `resolve` is added to RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS.
 */
int open_in_root(int directory, const char *path, uint64_t flags, uint64_t resolve);

enum missing { MISSING_IS_ERROR, MISSING_DIRECTORY, MISSING_FILE };

/* Like open_in_root with O_PATH, making what is missing: parents as directories, the last part as told. What a link to nothing names is made. */
int open_or_make(const char *path, enum missing make, uint64_t resolve);

/* The directory that holds the last part of `path`, and that part in `name` (NAME_MAX + 1 bytes). */
int open_parent(int directory, const char *path, char *name);

/* Gives `fd` the number that the program asked for, close-on-exec, and closes the original. */
int place_fd(int fd, int number);

/* Moves an fd of the launcher's own above every number that a program may name. */
int place_above(int fd, int floor);

#endif
