/*
 * 128 stubs of 32 bytes, one a hypercall number. A call keeps rcx and r11 although SYSCALL does not; iret, which does not come
 * back, leaves rax, r11 and rcx where struct iret_context has them.
 */
#include "pv/hypercall_page.h"
#include <lodge/string.h>
#include <lodge/types.h>
#include <xen/xen.h>

#define STUB_SIZE 32
#define NR_STUBS  128

void hypercall_page_fill(void *page)
{
    static const uint8_t call[] = { 0x51, 0x41, 0x53,             /* push %rcx; push %r11 */
                                    0xb8, 0, 0, 0, 0,             /* mov $number, %eax */
                                    0x0f, 0x05,                   /* syscall */
                                    0x41, 0x5b, 0x59, 0xc3 };     /* pop %r11; pop %rcx; ret */
    static const uint8_t iret[] = { 0x51, 0x41, 0x53, 0x50,       /* push %rcx; push %r11; push %rax */
                                    0xb8, 0, 0, 0, 0, 0x0f, 0x05 };
    uint8_t *stub = page;

    memset(page, 0xcc, NR_STUBS * STUB_SIZE); /* int3: nothing lies between the stubs */
    for (uint32_t i = 0; i < NR_STUBS; i++, stub += STUB_SIZE) {
        if (i == __HYPERVISOR_iret) {
            memcpy(stub, iret, sizeof(iret));
            memcpy(stub + 5, &i, sizeof(i));
        } else {
            memcpy(stub, call, sizeof(call));
            memcpy(stub + 4, &i, sizeof(i));
        }
    }
}
