/*
 * Runs a command and writes to descriptor 3, as JSON, how long it took by the clock and of
 * which CPU time (seconds), and the most memory that it held (bytes). Ends as the command does.
 *
 *   measure COMMAND [ARGUMENT...]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval time) { return time.tv_sec + time.tv_usec / 1e6; }

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc < 2 || fcntl(3, F_SETFD, FD_CLOEXEC) != 0) {
    fprintf(stderr, "usage: measure COMMAND [ARGUMENT...] 3>FILE\n");
    return 2;
  }
  double started = now();
  /* Not fork: the child would begin with this process's memory as its peak. */
  pid_t child = vfork();
  if (child == 0) {
    execvp(argv[1], argv + 1);
    _exit(127);
  }
  int status;
  struct rusage usage;
  if (child < 0 || wait4(child, &status, 0, &usage) != child) {
    perror("measure");
    return 1;
  }
  dprintf(3, "{\"wall\":%.6f,\"user\":%.6f,\"system\":%.6f,\"peakBytes\":%ld}\n", now() - started,
          seconds(usage.ru_utime), seconds(usage.ru_stime), usage.ru_maxrss * 1024L);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
