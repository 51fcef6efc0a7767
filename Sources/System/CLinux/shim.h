#pragma once
// Linux calls that the Glibc module does not export.
#include <link.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Declared by their headers only under _GNU_SOURCE.
extern int syncfs(int descriptor);
extern int pipe2(int ends[2], int flags);
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int first);

/// A descriptor of process `pid` (pidfd_open(2), Linux 5.3); -1 and errno.
static inline int linux_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

/// Sends `signal` to the process behind `descriptor` (pidfd_send_signal(2), Linux 5.1); -1 and errno.
static inline int linux_pidfd_send_signal(int descriptor, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, descriptor, signal, 0, 0);
}

/// A file in memory (memfd_create(2), Linux 3.17) that is closed on exec (MFD_CLOEXEC); -1 and errno.
static inline int linux_memory_file(const char *name) { return (int)syscall(SYS_memfd_create, name, 1u); }

/// The first of the objects that this process runs with, in the order in which they were loaded (the dynamic linker's `_r_debug`).
static inline const struct link_map *linux_loaded_objects(void) { return _r_debug.r_map; }

/// Adds a descriptor to, changes it in or removes it from (`operation`: EPOLL_CTL_…) what `epoll` watches (epoll_ctl(2)). An event carries `data`; -1 and errno.
static inline int linux_epoll_control(int epoll, int operation, int descriptor, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(epoll, operation, descriptor, &event);
}

/// Takes a connection from a socket that listens (accept4(2)): its address is written to `address`, which has `length` bytes; `flags`: SOCK_…. -1 and errno.
static inline int linux_accept(int listening, void *address, unsigned int *length, int flags) {
    return (int)syscall(SYS_accept4, listening, address, length, flags);
}

/// Gives the calling thread a name, of which the first 15 bytes count (prctl(2)).
static inline void linux_name_thread(const char *name) { prctl(PR_SET_NAME, name); }
