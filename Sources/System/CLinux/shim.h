#pragma once
// Linux calls that the Glibc module does not export.
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>

// Declared by their headers only under _GNU_SOURCE.
extern int syncfs(int descriptor);
extern int pipe2(int ends[2], int flags);
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int first);
