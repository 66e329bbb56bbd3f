/*
 * lodge-bench - what common operations of a Linux guest cost, in ticks of the timestamp counter
 *
 * Under `qemu -icount shift=0` one tick is one guest instruction, so the figures are the same
 * on every host. Static, and the same file on native Linux, on Xen and on Lodge.
 *
 *   lodge-bench clock     print the timestamp counter
 *   lodge-bench all       print every row as `bench: NAME TICKS`
 *   lodge-bench nothing   exit at once: what the fork+exec row executes
 *
 * Each figure is the least of several repeats: a timer tick in the middle of one is noise.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define PAGE_SIZE 4096
#define FAULT_PAGES 512

static const char *self;
static int zero_fd;
static int ping[2];
static int pong[2];
static char *protected_page;

static void check(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void null_syscall(void)
{
    syscall(SYS_getppid);
}

static void read_one(void)
{
    char byte;

    check(read(zero_fd, &byte, 1) == 1, "read /dev/zero");
}

static void on_signal(int number)
{
    (void)number;
}

static void signal_self(void)
{
    check(kill(getpid(), SIGUSR1) == 0, "kill");
}

static void mmap_pair(void)
{
    void *at = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    check(at != MAP_FAILED, "mmap");
    check(munmap(at, PAGE_SIZE) == 0, "munmap");
}

static void mprotect_pair(void)
{
    check(mprotect(protected_page, PAGE_SIZE, PROT_READ) == 0, "mprotect");
    check(mprotect(protected_page, PAGE_SIZE, PROT_READ | PROT_WRITE) == 0, "mprotect");
}

static void ping_pong(void)
{
    char byte = 1;

    check(write(ping[1], &byte, 1) == 1, "write");
    check(read(pong[0], &byte, 1) == 1, "read");
}

/* A fresh mapping, each page of it touched, and all of it given back. */
static void page_faults(void)
{
    size_t size = FAULT_PAGES * PAGE_SIZE;
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    check(at != MAP_FAILED, "mmap");
    for (size_t offset = 0; offset < size; offset += PAGE_SIZE) {
        *(volatile char *)(at + offset) = 1;
    }
    check(munmap(at, size) == 0, "munmap");
}

/* The other end of ping_pong(): sends back what it gets until the pipe closes. */
static pid_t ping_pong_start(void)
{
    char byte;
    pid_t child;

    check(pipe(ping) == 0 && pipe(pong) == 0, "pipe");
    child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        close(ping[1]);
        close(pong[0]);
        while (read(ping[0], &byte, 1) == 1 && write(pong[1], &byte, 1) == 1) {
        }
        _exit(0);
    }
    close(ping[0]);
    close(pong[1]);
    return child;
}

static void ping_pong_stop(pid_t child)
{
    close(ping[1]);
    close(pong[0]);
    check(waitpid(child, NULL, 0) == child, "waitpid");
}

static void fork_exit(void)
{
    pid_t child = fork();

    check(child >= 0, "fork");
    if (child == 0) {
        _exit(0);
    }
    check(waitpid(child, NULL, 0) == child, "waitpid");
}

static void fork_exec(void)
{
    int status;
    pid_t child = fork();

    check(child >= 0, "fork");
    if (child == 0) {
        execl(self, self, "nothing", (char *)NULL);
        _exit(1);
    }
    check(waitpid(child, &status, 0) == child && status == 0, "fork+exec");
}

/* The least cost of one operation: `repeats` batches of `batch` operations each. */
static void measure(const char *name, void (*operation)(void), int batch, int repeats)
{
    uint64_t least = UINT64_MAX;

    operation(); /* the first one also fills caches and faults pages in */
    for (int r = 0; r < repeats; r++) {
        uint64_t start = __rdtsc();

        for (int i = 0; i < batch; i++) {
            operation();
        }
        uint64_t ticks = (__rdtsc() - start) / (uint64_t)batch;

        if (ticks < least) {
            least = ticks;
        }
    }
    printf("bench: %s %llu\n", name, (unsigned long long)least);
    fflush(stdout);
}

static void measure_all(void)
{
    pid_t child;

    zero_fd = open("/dev/zero", O_RDONLY);
    check(zero_fd >= 0, "/dev/zero");
    check(signal(SIGUSR1, on_signal) != SIG_ERR, "signal");
    protected_page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(protected_page != MAP_FAILED, "mmap");
    *(volatile char *)protected_page = 1;

    measure("null-syscall", null_syscall, 1000, 20);
    measure("read-1-byte", read_one, 1000, 20);
    measure("signal", signal_self, 200, 20);
    measure("mmap-munmap", mmap_pair, 200, 20);
    measure("mprotect-pair", mprotect_pair, 200, 20);
    measure("page-faults-512", page_faults, 1, 20);
    child = ping_pong_start();
    measure("pipe-ping-pong", ping_pong, 200, 20);
    ping_pong_stop(child);
    measure("fork-exit", fork_exit, 20, 10);
    measure("fork-exec", fork_exec, 20, 10);
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";

    self = argv[0];
    if (strcmp(what, "nothing") == 0) {
        return 0;
    }
    if (strcmp(what, "clock") == 0) {
        printf("bench: clock %llu\n", (unsigned long long)__rdtsc());
        return 0;
    }
    if (strcmp(what, "all") == 0) {
        measure_all();
        return 0;
    }
    fprintf(stderr, "usage: lodge-bench clock|all|nothing\n");
    return 2;
}
