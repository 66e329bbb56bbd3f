/* The console as tools see it: what was said, and keys to make it say more. Source: public/sysctl.h. */
#include "core/sysctl.h"

#include <lodge/errno.h>
#include "core/console.h"
#include "core/debugkey.h"
#include "core/guest.h"
#include "core/softirq.h"

/* What the ring holds bounds the work (conring_size=), whatever room the caller has. */
long sysctl_readconsole(struct vcpu *caller, struct xen_sysctl *op)
{
    struct xen_sysctl_readconsole *req = &op->u.readconsole;
    uint32_t index = req->incremental ? req->index : console_ring_oldest();
    uint32_t done = 0;
    char piece[512];
    size_t n;

    (void)caller;
    while (done < req->count) {
        n = console_read_ring(piece, MIN(sizeof(piece), (size_t)(req->count - done)), &index);
        if (!n) {
            break;
        }
        if (guest_copy_to(guest_addr(req->buffer, done), piece, n)) {
            return -EFAULT;
        }
        done += (uint32_t)n;
    }
    if (req->clear) {
        console_ring_forget(index);
    }
    req->count = done;
    req->index = index;
    return 0;
}

long sysctl_debug_keys(struct vcpu *caller, struct xen_sysctl *op)
{
    struct xen_sysctl_debug_keys *req = &op->u.debug_keys;
    char key;

    (void)caller;
    while (req->nr_keys) {
        if (guest_read(&key, req->keys)) {
            return -EFAULT;
        }
        debugkey_run(key);
        req->keys.p++;
        req->nr_keys--;
        if (req->nr_keys && preempt_requested()) {
            return -ERESTART;
        }
    }
    return 0;
}
