#pragma once
// Linux calls that the Glibc module does not export.
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>

// Declared by unistd.h only under _GNU_SOURCE.
extern int syncfs(int descriptor);
