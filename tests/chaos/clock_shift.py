"""A wall clock that is wrong: a library before the C library's, which adds seconds that a file holds.

libfaketime moves the monotonic clock, too, or breaks what sleeps by it. Here nothing but the wall clock is touched, and
it can be moved while its process runs.
"""

from __future__ import annotations

import struct
from pathlib import Path

from tests.chaos.preload import compiled

_SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long *shift;

__attribute__((constructor)) static void begin(void) {
  const char *name = getenv("CLOCK_SHIFT_FILE");
  int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  void *seen = file < 0 ? MAP_FAILED : mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
  shift = seen == MAP_FAILED ? 0 : seen;
}

int clock_gettime(clockid_t id, struct timespec *at) {
  int failed = syscall(SYS_clock_gettime, id, at);
  if (!failed && shift && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += *shift;
  return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
"""


class ClockShift:
    """The clocks of the processes that are started with `environment`, all moved at once."""

    def __init__(self, folder: Path, name: str, seconds: int = 0) -> None:
        """Fails the test where there is no compiler."""
        self._file, library = folder / f"{name}.shift", compiled(folder, "clock_shift", _SOURCE)
        self._file.write_bytes(struct.pack("l", seconds))
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_SHIFT_FILE": str(self._file)}

    def move_to(self, seconds: int) -> None:
        """From now on the clocks differ from the right time by so much."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("l", seconds))
