/* user.c: a user address space and the way into it. */
#include "user.h"
#include "hypercall.h"
#include "pagetable.h"
#include "report.h"
#include "vcpu.h"

static USER_DATA uint8_t user_stack[PAGE_SIZE] __attribute__((aligned(16)));
static uint64_t *root;

void iret_with_args(const struct iret_context *frame, uint64_t rdi, uint64_t rsi);

void user_init(void)
{
    uint8_t *page;

    root = table_alloc();
    guest_need(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(root)));
    for (page = user_start; page < user_end; page += PAGE_SIZE) {
        pt_map(root, (void *)USER_ADDRESS(page), pte_make(va_to_mfn(page), PTE_DATA));
    }
    /* The kernel sees user memory as well: its L4 refers to the same L3. */
    guest_need(pte_write(va_to_maddr(&pt_root()[0]), root[0]));
    guest_need(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(root)));
}

uint64_t *user_root(void)
{
    return root;
}

unsigned long user_stack_top(void)
{
    return USER_ADDRESS(user_stack + sizeof(user_stack));
}

struct user_entry {
    struct iret_context frame;
    unsigned long arg;
};

static void user_enter(void *arg)
{
    struct user_entry *entry = arg;

    iret_with_args(&entry->frame, entry->arg, 0);
}

int user_run_flags(const void *probe, unsigned long arg, uint64_t rflags,
                   struct trap_report *report)
{
    struct user_entry entry = {
        .frame = {
            .rip = USER_ADDRESS(probe),
            .cs = FLAT_USER_CS,
            .rflags = rflags,
            .rsp = user_stack_top(),
            .ss = FLAT_USER_SS,
        },
        .arg = arg,
    };

    return trap_try(user_enter, &entry, report);
}

int user_run(const void *probe, unsigned long arg, struct trap_report *report)
{
    return user_run_flags(probe, arg, 0x202, report);
}
