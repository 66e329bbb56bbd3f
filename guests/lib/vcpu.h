/* vcpu.h: what each virtual CPU has of its own, and starting another one. */
#ifndef GUEST_VCPU_H
#define GUEST_VCPU_H

#include "types.h"

#include <xen/xen.h>

#include "layout.h"
#include "trap.h"

#define VCPUS_MAX 2

struct vcpu {
    struct recover *recover; /* set while code that may trap runs */
    unsigned int id;
    struct vcpu_info *info;
    void (*fn)(void *); /* what a started vCPU runs */
    void *arg;
    volatile bool finished;
};

/* The stacks hang below the end of the region; vcpu_this() relies on its alignment. */
union vcpu_region {
    struct vcpu vcpu;
    uint8_t bytes[VCPU_REGION_SIZE];
};

extern union vcpu_region vcpu_regions[VCPUS_MAX];

static inline struct vcpu *vcpu_this(void)
{
    unsigned long sp;

    __asm__ volatile("mov %%rsp, %0" : "=r"(sp));
    return (struct vcpu *)(sp & ~(VCPU_REGION_SIZE - 1UL));
}

static inline unsigned long vcpu_entry_stack(const struct vcpu *vcpu)
{
    return (unsigned long)vcpu + VCPU_ENTRY_STACK_TOP;
}

/** vcpu_init - prepare the vCPU that runs this; needs shared_info */
void vcpu_init(unsigned int id);

/**
 * vcpu_context - fill in the state in which vCPU id starts: in our kernel, at vcpu_main
 * The caller may change it before handing it to VCPUOP_initialise.
 */
void vcpu_context(unsigned int id, struct vcpu_guest_context *context);

/** vcpu_start - run fn(arg) on another vCPU; it is taken down when fn returns */
void vcpu_start(unsigned int id, void (*fn)(void *), void *arg);

/** vcpu_wait - until that fn has returned */
void vcpu_wait(unsigned int id);

#endif
