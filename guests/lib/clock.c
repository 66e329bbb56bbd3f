/* clock.c: public/xen.h, struct vcpu_time_info, put to use. */
#include "clock.h"
#include "vcpu.h"

uint64_t clock_ns(void)
{
    volatile struct vcpu_time_info *time = &vcpu_this()->info->time;
    uint64_t base, delta, mul;
    uint32_t version;

    do {
        version = time->version;
        barrier();
        delta = rdtsc() - time->tsc_timestamp;
        base = time->system_time;
        mul = time->tsc_to_system_mul;
        delta = time->tsc_shift < 0 ? delta >> -time->tsc_shift : delta << time->tsc_shift;
        barrier();
    } while ((version & 1) || version != time->version);
    return base + (uint64_t)((unsigned __int128)delta * mul >> 32);
}

void clock_wait(uint64_t ns)
{
    uint64_t end = clock_ns() + ns;

    while (clock_ns() < end) {
        __asm__ volatile("pause");
    }
}
