/*
 * Faults at the system calls of one process, by LD_PRELOAD. Only calls on something below SHIM_ROOT count; they
 * share one counter. The log, the terminal and libuv's own wake-ups do not count.
 *
 *   SHIM_ROOT    the directory, without symlinks
 *   SHIM_CALLS   changes (all that change something) | opens (of files and directories) | lists (of directories)
 *   SHIM_MODE    count | fail (an error in place of the call) | kill-before | kill-after (SIGKILL) |
 *                short (a listing loses its second half, and says nothing) | stop (SIGSTOP before it; the report
 *                gets a line `stopped PID`)
 *   SHIM_ERRNO   the error, a number; EIO without it
 *   SHIM_AT      the call that it happens at, counted from 1
 *   SHIM_REPORT  a file that gets a line for each counted call: its name and its path
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static atomic_long calls;
static const char *root;
static const char *mode = "count";
static const char *wanted = "c";
static int error = EIO;
static long at;
static int report = -1;

__attribute__((constructor)) static void start(void) {
  const char *file = getenv("SHIM_REPORT");
  const char *number = getenv("SHIM_AT");
  root = getenv("SHIM_ROOT");
  if (getenv("SHIM_MODE")) mode = getenv("SHIM_MODE");
  if (number) at = atol(number);
  if (getenv("SHIM_ERRNO")) error = atoi(getenv("SHIM_ERRNO"));
  const char *which = getenv("SHIM_CALLS");
  if (which && strcmp(which, "opens") == 0) wanted = "ol";
  if (which && strcmp(which, "lists") == 0) wanted = "l";
  if (file) report = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_below(const char *path) {
  size_t length = root ? strlen(root) : 0;
  return length > 0 && strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static void path_of_fd(int fd, char *into) {
  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(name, into, PATH_MAX - 1);
  into[length < 0 ? 0 : length] = '\0';
}

/* The parent is resolved (through /proc/self/fd/N too), the last component is not. */
static void path_of(const char *path, char *into) {
  char parent[PATH_MAX], resolved[PATH_MAX];
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  if (slash == NULL) strcpy(parent, ".");
  else snprintf(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path);
  if (realpath(parent, resolved) == NULL) strcpy(resolved, "");
  snprintf(into, PATH_MAX + NAME_MAX, "%s/%s", resolved, name);
}

static _Noreturn void die(void) {
  for (;;) syscall(SYS_kill, getpid(), SIGKILL);
}

/* Counts a call that changes ('c'), opens ('o') or lists ('l'). Returns 0 to go on, or what is to happen. */
enum { GO_ON, FAIL, DIE, CUT };

static int count(char kind, const char *call, const char *path) {
  if (strchr(wanted, kind) == NULL || !is_below(path)) return GO_ON;
  long number = atomic_fetch_add(&calls, 1) + 1;
  if (report >= 0) {
    char line[PATH_MAX + NAME_MAX + 64];
    int length = snprintf(line, sizeof line, "%s %s\n", call, path + strlen(root));
    syscall(SYS_write, report, line, length);
  }
  if (number != at) return GO_ON;
  if (strcmp(mode, "kill-before") == 0) die();
  if (strcmp(mode, "kill-after") == 0) return DIE;
  if (strcmp(mode, "short") == 0) return CUT;
  if (strcmp(mode, "stop") == 0) {
    char line[64];
    int length = snprintf(line, sizeof line, "stopped %d\n", getpid());
    syscall(SYS_write, report, line, length);
    syscall(SYS_kill, getpid(), SIGSTOP);
  }
  return strcmp(mode, "fail") == 0 ? FAIL : GO_ON;
}

/* Defines a call as itself, with what was asked for before or after it. */
#define FAULTY(type, name, parameters, arguments, find_path)                      \
  type name parameters {                                                          \
    static type(*real) parameters;                                                \
    if (real == NULL) real = (type(*) parameters)dlsym(RTLD_NEXT, #name);         \
    int before = errno;                                                           \
    char path[PATH_MAX + NAME_MAX];                                               \
    find_path;                                                                    \
    int what = count('c', #name, path);                                           \
    if (what == FAIL) {                                                           \
      errno = error;                                                              \
      return -1;                                                                  \
    }                                                                             \
    errno = before;                                                               \
    type result = real arguments;                                                 \
    if (what == DIE) die();                                                       \
    return result;                                                                \
  }

FAULTY(int, unlink, (const char *a), (a), path_of(a, path))
FAULTY(int, rmdir, (const char *a), (a), path_of(a, path))
FAULTY(int, rename, (const char *a, const char *b), (a, b), path_of(b, path))
FAULTY(int, link, (const char *a, const char *b), (a, b), path_of(b, path))
FAULTY(int, symlink, (const char *a, const char *b), (a, b), path_of(b, path))
FAULTY(int, mkdir, (const char *a, mode_t m), (a, m), path_of(a, path))
FAULTY(int, lchown, (const char *a, uid_t u, gid_t g), (a, u, g), path_of(a, path))
FAULTY(int, fchown, (int a, uid_t u, gid_t g), (a, u, g), path_of_fd(a, path))
FAULTY(int, fchmod, (int a, mode_t m), (a, m), path_of_fd(a, path))
FAULTY(int, futimens, (int a, const struct timespec t[2]), (a, t), path_of_fd(a, path))
FAULTY(int, fsync, (int a), (a), path_of_fd(a, path))
FAULTY(int, fdatasync, (int a), (a), path_of_fd(a, path))
FAULTY(int, ftruncate64, (int a, off64_t l), (a, l), path_of_fd(a, path))
FAULTY(ssize_t, write, (int a, const void *b, size_t n), (a, b, n), path_of_fd(a, path))
FAULTY(ssize_t, pwrite64, (int a, const void *b, size_t n, off64_t o), (a, b, n, o), path_of_fd(a, path))

static int open_any(const char *call, const char *name, int flags, mode_t permissions) {
  char path[PATH_MAX + NAME_MAX];
  path_of(name, path);
  int what = count(flags & O_CREAT ? 'c' : 'o', call, path);
  if (what == FAIL) {
    errno = error;
    return -1;
  }
  long result = syscall(SYS_openat, AT_FDCWD, name, flags | O_LARGEFILE, permissions);
  if (what == DIE) die();
  return (int)result;
}

#define OPEN(name)                                                   \
  int name(const char *path, int flags, ...) {                       \
    va_list rest;                                                    \
    va_start(rest, flags);                                           \
    mode_t permissions = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                    \
    return open_any(#name, path, flags, permissions);                \
  }

OPEN(open)
OPEN(open64)

typedef int filter(const struct dirent64 *);
typedef int compare(const struct dirent64 **, const struct dirent64 **);

int scandir64(const char *name, struct dirent64 ***list, filter *keep, compare *order) {
  static int (*real)(const char *, struct dirent64 ***, filter *, compare *);
  if (real == NULL) real = dlsym(RTLD_NEXT, "scandir64");
  char path[PATH_MAX + NAME_MAX];
  path_of(name, path);
  int what = count('l', "scandir64", path);
  if (what == FAIL) {
    errno = error;
    return -1;
  }
  int length = real(name, list, keep, order);
  if (what == DIE) die();
  return what == CUT && length > 0 ? length / 2 : length;
}
