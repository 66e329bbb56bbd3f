/* The gate that sysctl and domctl pass one at a time. */
#include "core/control.h"

static bool closed;

bool control_try_enter(void)
{
    return !__atomic_test_and_set(&closed, __ATOMIC_ACQUIRE);
}

void control_leave(void)
{
    __atomic_clear(&closed, __ATOMIC_RELEASE);
}

bool control_entered(void)
{
    return __atomic_load_n(&closed, __ATOMIC_RELAXED);
}

long control_again(uint64_t arg_gva)
{
    arch_cpu_relax();
    return hypercall_continue(1, ARGS(arg_gva));
}
