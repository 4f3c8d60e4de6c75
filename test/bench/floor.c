/*
 * The floor: with N threads, only the system calls that the rules of garbage collection need.
 *
 *   floor BASE THREADS [LOOKS]     BASE is docker/registry/v2
 *
 * Lists the repositories, their revisions, tags and layer links, and the blobs; looks at each
 * revision's link; reads each tag's link, and the data of each manifest that a revision names,
 * once. It checks, hashes and parses nothing. Prints what it saw as JSON.
 *
 * With LOOKS, a file with a path below BASE on each line, it looks at those as well, and at each
 * tag's history: at what a plan has to measure.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX 64
#define READ_FLAGS (O_RDONLY | O_NOFOLLOW | O_NOATIME)

typedef void each(const char *path, const char *name, void *context);

static const char *base;
static char **repositories;
static size_t repository_count;
static char (*manifests)[HEX + 1];
static size_t manifest_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_size_t next, tags, links, blobs;
static char **looks;
static size_t look_count;

static void die(const char *path) {
  fprintf(stderr, "floor: %s: %s\n", path, strerror(errno));
  exit(1);
}

static void make_path(char path[PATH_MAX], const char *format, ...) {
  va_list parts;
  va_start(parts, format);
  if (vsnprintf(path, PATH_MAX, format, parts) >= PATH_MAX) errno = ENAMETOOLONG, die(path);
  va_end(parts);
}

static void *grow(void *list, size_t count, size_t size) {
  if ((count & (count - 1)) != 0) return list;
  void *larger = realloc(list, (count == 0 ? 1 : 2 * count) * size);
  if (larger == NULL) die("realloc");
  return larger;
}

/* Calls `visit` for each subdirectory; a directory that is not there has none. */
static void list(const char *path, each *visit, void *context) {
  DIR *directory = opendir(path);
  if (directory == NULL) {
    if (errno == ENOENT) return;
    die(path);
  }
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    if (entry->d_name[0] == '.' || entry->d_type != DT_DIR) continue;
    visit(path, entry->d_name, context);
  }
  closedir(directory);
}

static void read_file(const char *path) {
  static _Thread_local char buffer[65536];
  int fd = open(path, READ_FLAGS);
  if (fd < 0) die(path);
  if (read(fd, buffer, sizeof buffer) < 0) die(path);
  close(fd);
}

static void find_repositories(const char *path, const char *name, void *found) {
  if (name[0] == '_') {
    *(int *)found = 1;
    return;
  }
  char below[PATH_MAX];
  make_path(below, "%s/%s", path, name);
  int is_repository = 0;
  list(below, find_repositories, &is_repository);
  if (!is_repository) return;
  repositories = grow(repositories, repository_count, sizeof *repositories);
  repositories[repository_count++] = strdup(below);
}

static void see_revision(const char *path, const char *name, void *context) {
  (void)context;
  char link[PATH_MAX];
  struct stat stat;
  make_path(link, "%s/%s/link", path, name);
  if (lstat(link, &stat) != 0) die(link);
  if (strlen(name) != HEX) return;
  pthread_mutex_lock(&lock);
  manifests = grow(manifests, manifest_count, sizeof *manifests);
  memcpy(manifests[manifest_count++], name, HEX + 1);
  pthread_mutex_unlock(&lock);
}

static void see_tag(const char *path, const char *name, void *context) {
  (void)context;
  char link[PATH_MAX];
  make_path(link, "%s/%s/current/link", path, name);
  read_file(link);
  atomic_fetch_add_explicit(&tags, 1, memory_order_relaxed);
  if (looks == NULL) return;
  struct stat stat;
  make_path(link, "%s/%s/index/sha256", path, name);
  if (lstat(link, &stat) != 0) die(link);
}

static void count(const char *path, const char *name, void *counter) {
  (void)path;
  (void)name;
  atomic_fetch_add_explicit((atomic_size_t *)counter, 1, memory_order_relaxed);
}

/* First the repositories, one by one, and then the 256 prefixes of blobs. */
static void *list_parts(void *unused) {
  (void)unused;
  char path[PATH_MAX];
  for (size_t i; (i = atomic_fetch_add(&next, 1)) < repository_count + 256;) {
    if (i >= repository_count) {
      make_path(path, "%s/blobs/sha256/%02zx", base, i - repository_count);
      list(path, count, &blobs);
      continue;
    }
    make_path(path, "%s/_manifests/revisions/sha256", repositories[i]);
    list(path, see_revision, NULL);
    make_path(path, "%s/_manifests/tags", repositories[i]);
    list(path, see_tag, NULL);
    make_path(path, "%s/_layers/sha256", repositories[i]);
    list(path, count, &links);
  }
  return NULL;
}

static void *read_manifests(void *unused) {
  (void)unused;
  char path[PATH_MAX];
  for (size_t i; (i = atomic_fetch_add(&next, 1)) < manifest_count;) {
    const char *hex = manifests[i];
    make_path(path, "%s/blobs/sha256/%.2s/%s/data", base, hex, hex);
    read_file(path);
  }
  return NULL;
}

static void *look(void *unused) {
  (void)unused;
  char path[PATH_MAX];
  struct stat stat;
  for (size_t i; (i = atomic_fetch_add(&next, 1)) < look_count;) {
    make_path(path, "%s/%s", base, looks[i]);
    if (lstat(path, &stat) != 0) die(path);
  }
  return NULL;
}

static void read_looks(const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) die(path);
  char *line = NULL;
  size_t size = 0;
  for (ssize_t length; (length = getline(&line, &size, file)) > 0;) {
    line[length - 1] = '\0';
    looks = grow(looks, look_count, sizeof *looks);
    looks[look_count++] = strdup(line);
  }
  free(line);
  fclose(file);
}

static void in_parallel(int threads, void *(*work)(void *)) {
  pthread_t started[threads];
  atomic_store(&next, 0);
  for (int i = 1; i < threads; i++) {
    if (pthread_create(&started[i], NULL, work, NULL) != 0) die("pthread_create");
  }
  work(NULL);
  for (int i = 1; i < threads; i++) pthread_join(started[i], NULL);
}

static int by_digest(const void *a, const void *b) { return memcmp(a, b, HEX); }

int main(int argc, char **argv) {
  int threads = argc == 3 || argc == 4 ? atoi(argv[2]) : 0;
  if (threads < 1 || threads > 256) {
    fprintf(stderr, "usage: floor BASE THREADS [LOOKS]\n");
    return 2;
  }
  base = argv[1];
  if (argc == 4) read_looks(argv[3]);
  char path[PATH_MAX];
  int unused = 0;
  make_path(path, "%s/repositories", base);
  list(path, find_repositories, &unused);
  in_parallel(threads, list_parts);
  size_t revisions = manifest_count;
  qsort(manifests, manifest_count, sizeof *manifests, by_digest);
  manifest_count = 0;
  for (size_t i = 0; i < revisions; i++) {
    if (i > 0 && memcmp(manifests[i], manifests[manifest_count - 1], HEX) == 0) continue;
    memmove(manifests[manifest_count++], manifests[i], sizeof *manifests);
  }
  in_parallel(threads, read_manifests);
  if (looks != NULL) in_parallel(threads, look);
  printf("{\"repositories\":%zu,\"revisions\":%zu,\"manifests\":%zu,", repository_count, revisions,
         manifest_count);
  printf("\"tags\":%zu,\"layerLinks\":%zu,\"blobs\":%zu}\n", tags, links, blobs);
  return 0;
}
