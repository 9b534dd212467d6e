/* faulty_calls.c - see faulty_calls.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall, registers in ucontext_t */
#endif
#include "faulty_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#if defined(ARCHITECTURE) && !defined(SANITIZED)

/* What the handler itself calls is known by this sixth argument, which none of the operations has. */
#define PASS UINT64_C(0x7175697075000001)

enum trait { WRITES = 1, INTERRUPTIBLE = 2, BY_PATH = 4, FLAGS_SECOND = 8, FLAGS_THIRD = 16 /* where open has them */ };

typedef struct operation {
    int number;
    unsigned traits;
} operation;

static const operation operations[] = {
    { SYS_write, WRITES | INTERRUPTIBLE },
    { SYS_pwrite64, WRITES | INTERRUPTIBLE },
    { SYS_writev, INTERRUPTIBLE },
    { SYS_fsync, INTERRUPTIBLE },
    { SYS_fdatasync, INTERRUPTIBLE },
    { SYS_ftruncate, INTERRUPTIBLE },
    { SYS_openat, FLAGS_THIRD },
    { SYS_renameat2, BY_PATH },
    { SYS_linkat, BY_PATH },
    { SYS_unlinkat, BY_PATH },
    { SYS_mkdirat, BY_PATH },
#ifdef SYS_renameat
    { SYS_renameat, BY_PATH },
#endif
#ifdef SYS_rename
    { SYS_open, FLAGS_SECOND },
    { SYS_rename, BY_PATH },
    { SYS_link, BY_PATH },
    { SYS_unlink, BY_PATH },
    { SYS_mkdir, BY_PATH },
#endif
};

#define OPERATIONS (sizeof operations / sizeof operations[0])

static call_fault now;
static atomic_uint counted;

static long pass(int number, const long a[5])
{
    return syscall(number, a[0], a[1], a[2], a[3], a[4], PASS);
}

static unsigned traits_of(int number)
{
    for (size_t i = 0; i < OPERATIONS; i++)
        if (operations[i].number == number)
            return operations[i].traits;
    return 0;
}

/* Pipes and terminals are the host's; an open that makes no file changes nothing. */
static bool concerns_the_store(unsigned traits, const long a[5])
{
    struct stat st;
    if (traits & (FLAGS_SECOND | FLAGS_THIRD))
        return (a[traits & FLAGS_SECOND ? 1 : 2] & O_CREAT) != 0;
    if (traits & BY_PATH)
        return true;
    return fstat((int)a[0], &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

static bool is_counted(unsigned traits, const long a[5])
{
    if (now.kind == FAULT_SHORT)
        return (traits & WRITES) && a[2] > 1 && concerns_the_store(traits, a);
    if (now.kind == FAULT_INTERRUPTED)
        return (traits & INTERRUPTIBLE) && concerns_the_store(traits, a);
    return concerns_the_store(traits, a);
}

/* The operation's result: what it answers, or a negative errno. */
static long perform(int number, const long a[5])
{
    long changed[5] = { a[0], a[1], a[2], a[3], a[4] };
    if (now.at && is_counted(traits_of(number), a)) {
        unsigned count = atomic_fetch_add(&counted, 1) + 1;
        bool hit = count == now.at || (count > now.at && now.kind == FAULT_FROM);
        if (hit && now.kind == FAULT_KILL)
            kill(getpid(), SIGKILL);
        if (hit && (now.kind == FAULT_ONCE || now.kind == FAULT_FROM))
            return -now.error;
        if (hit && now.kind == FAULT_INTERRUPTED)
            return -EINTR;
        if (hit && now.kind == FAULT_SHORT)
            changed[2] = a[2] / 2;
    }
    long result = pass(number, changed);
    return result < 0 ? -errno : result;
}

static void handle(int signal_number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    int before = errno;
    (void)signal_number;
#if defined(__x86_64__)
    greg_t *r = u->uc_mcontext.gregs;
    const long a[5] = { r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8] };
    r[REG_RAX] = perform(info->si_syscall, a);
#else
    unsigned long long *r = (unsigned long long *)u->uc_mcontext.regs;
    const long a[5] = { (long)r[0], (long)r[1], (long)r[2], (long)r[3], (long)r[4] };
    r[0] = (unsigned long long)perform(info->si_syscall, a);
#endif
    errno = before;
}

static const char *install_filter(void)
{
    struct sock_filter code[OPERATIONS + 10];
    unsigned short n = 0;
    const unsigned nr = offsetof(struct seccomp_data, nr), arch = offsetof(struct seccomp_data, arch),
                   sixth = offsetof(struct seccomp_data, args[5]);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arch);
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, nr);
    for (size_t i = 0; i < OPERATIONS; i++) /* to the test of the sixth argument, behind the next one's `allow` */
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)operations[i].number,
                                                 (unsigned char)(OPERATIONS - i), 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, sixth + 4); /* the upper half: little-endian */
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(PASS >> 32), 0, 1);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    const struct sock_fprog program = { n, code };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return "this system does not allow a seccomp filter";
    return NULL;
}

const char *faulty_calls_install(void)
{
    struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART };
    if (sigaction(SIGSYS, &action, NULL) != 0)
        return "this system has no SIGSYS";
    return install_filter();
}

#else

static call_fault now;
static atomic_uint counted;

const char *faulty_calls_install(void)
{
    return "file operations cannot be made to fail on this processor, or under a sanitizer";
}

#endif

void faulty_calls_begin(const call_fault *fault)
{
    atomic_store(&counted, 0);
    now = *fault;
    if (now.kind == FAULT_COUNT)
        now.at = UINT32_MAX;
}

uint32_t faulty_calls_end(void)
{
    now.at = 0;
    return atomic_load(&counted);
}
