/*
 * For LD_PRELOAD: stops the process, as SIGSTOP does, between its last look and its change: just before the $STOP_AT-th write that begins
 * with $STOP_BEFORE, or rename to a path that ends with it. Must change nothing else.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void met(void) {
  static int times;
  const char *at = getenv("STOP_AT");
  if (++times == (at ? atoi(at) : 1)) raise(SIGSTOP);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  static ssize_t (*real)(int, const void *, size_t);
  const char *text = getenv("STOP_BEFORE");
  if (!real) real = dlsym(RTLD_NEXT, "write");
  if (text && count >= strlen(text) && memcmp(bytes, text, strlen(text)) == 0) met();
  return real(fd, bytes, count);
}

int rename(const char *from, const char *to) {
  static int (*real)(const char *, const char *);
  const char *text = getenv("STOP_BEFORE");
  if (!real) real = dlsym(RTLD_NEXT, "rename");
  if (text && strlen(to) >= strlen(text) && strcmp(to + strlen(to) - strlen(text), text) == 0) met();
  return real(from, to);
}
