"""A disk that fails now and then: a library before the C library's writes and syncs of database files."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.chaos.preload import compiled

#: Of 10,000 writes and syncs so many fail. What is written to a database's files is told by their names.
_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static volatile int *odds;
static __thread unsigned state;

__attribute__((constructor)) static void begin(void) {
  const char *name = getenv("BAD_DISK_FILE");
  int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  void *seen = file < 0 ? MAP_FAILED : mmap(0, 4 * sizeof(int), PROT_READ, MAP_SHARED, file, 0);
  odds = seen == MAP_FAILED ? 0 : seen;
}

static int unlucky(int file, int which) {
  char link[64], name[4096];
  if (!odds || !odds[which]) return 0;
  if (!state) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    state = (unsigned)now.tv_nsec ^ (unsigned)getpid() ^ 1u;
  }
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  if (state % 10000 >= (unsigned)odds[which]) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, name, sizeof name - 1);
  if (length < 0) return 0;
  name[length] = 0;
  return strstr(name, "replyx.db") && !strstr(name, "-shm");
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAIL(file, result) \
  if (unlucky(file, 0)) { errno = EIO; return result; } \
  if (unlucky(file, 1)) { errno = ENOSPC; return result; }

ssize_t write(int file, const void *data, size_t size) { REAL(write); FAIL(file, -1) return real(file, data, size); }
ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
  REAL(pwrite); FAIL(file, -1) return real(file, data, size, at);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
  REAL(pwrite64); FAIL(file, -1) return real(file, data, size, at);
}
int fsync(int file) {
  REAL(fsync);
  if (unlucky(file, 2)) { errno = EIO; return -1; }
  return real(file);
}
int fdatasync(int file) {
  REAL(fdatasync);
  if (unlucky(file, 2)) { errno = EIO; return -1; }
  return real(file);
}
"""


class BadDisk:
    """The disk of the processes that are started with `environment`; it is a good one at first."""

    def __init__(self, folder: Path) -> None:
        """Fails the test where there is no compiler."""
        self._file = folder / "bad_disk.odds"
        library = compiled(folder, "bad_disk", _SOURCE)
        self._file.write_bytes(struct.pack("4i", 0, 0, 0, 0))
        self.environment = {"LD_PRELOAD": str(library), "BAD_DISK_FILE": str(self._file)}

    def fail(self, *, broken: int = 0, full: int = 0, unsynced: int = 0) -> None:
        """From now on so many of 10,000 writes end with EIO, with ENOSPC, and so many syncs with EIO."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("4i", broken, full, unsynced, 0))
