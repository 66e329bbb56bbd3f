/*
 * The protocol on a shared entry, in both versions: how the hypervisor tells the guest that a grant
 * is in use, and reads what it says. In version 1 we set flags beside the guest's own, so that both
 * see every change as one. In version 2 they stand elsewhere: we set ours first, then look whether
 * the guest has changed its mind, and it does the same the other way round. Source:
 * public/grant_table.h.
 */
#include "core/gnttab_private.h"

/* Is it granted to the user, for what is asked? Only the first use of an entry is judged by type
 * and domid. */
static bool permits(union grant_head head, bool unused, bool write, bool mapping, bool transitive,
                    domid_t user)
{
    uint16_t mask = mapping ? GTF_type_mask | GTF_sub_page : GTF_type_mask;
    uint16_t type = head.flags & mask;

    if (unused && (head.domid != user ||
                   (type != GTF_permit_access && !(transitive && type == GTF_transitive)))) {
        return false;
    }
    return !(write && head.flags & GTF_readonly);
}

static int claim_v1(uint32_t *at, bool unused, bool write, bool mapping, domid_t user,
                    union grant_head *head)
{
    union grant_head seen = { .raw = shared_read(at) };

    for (unsigned int i = 0; i < GRANT_TRIES; i++) {
        union grant_head claimed = seen;

        if (!permits(seen, unused, write, mapping, false, user)) {
            return GNTST_general_error;
        }
        claimed.flags |= write ? GTF_reading | GTF_writing : GTF_reading;
        if (__atomic_compare_exchange_n(at, &seen.raw, claimed.raw, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED)) {
            *head = seen;
            return GNTST_okay;
        }
    }
    return GNTST_general_error;
}

static int claim_v2(const struct grant_table *gt, grant_ref_t ref, const struct grant_pins *pins,
                    bool write, bool mapping, domid_t user, union grant_head *head)
{
    const uint32_t *at = grant_head_at(gt, ref);

    head->raw = shared_read(at);
    if (!permits(*head, !pins->any, write, mapping, !mapping, user)) {
        return GNTST_general_error;
    }
    /* A full barrier: the guest clears its flags, then looks at the status. */
    __atomic_fetch_or(grant_status(gt, ref), write ? GTF_reading | GTF_writing : GTF_reading,
                      __ATOMIC_SEQ_CST);
    head->raw = shared_read(at);
    if (!permits(*head, !pins->any, write, mapping, !mapping, user)) {
        grant_release(gt, ref, pins, write);
        return GNTST_general_error;
    }
    return GNTST_okay;
}

int grant_claim(const struct grant_table *gt, grant_ref_t ref, const struct grant_pins *pins,
                bool write, bool mapping, domid_t user, union grant_head *head)
{
    if (gt->version == 1) {
        return claim_v1(grant_head_at(gt, ref), !pins->any, write, mapping, user, head);
    }
    return claim_v2(gt, ref, pins, write, mapping, user, head);
}

void grant_release(const struct grant_table *gt, grant_ref_t ref, const struct grant_pins *pins,
                   bool write)
{
    uint16_t *status = gt->version == 1 ? &grant_entry_v1(gt, ref)->flags : grant_status(gt, ref);
    uint16_t flags = 0;

    if (!pins->any) {
        flags |= GTF_reading;
    }
    if (write && !grant_written(pins)) {
        flags |= GTF_writing;
    }
    if (flags) {
        __atomic_fetch_and(status, (uint16_t)~flags, __ATOMIC_SEQ_CST);
    }
}

enum grant_kind grant_read(const struct grant_table *gt, grant_ref_t ref, union grant_head head,
                           struct grant_says *says)
{
    const union grant_entry_v2 *v2;

    *says = (struct grant_says){ .length = PAGE_SIZE };
    if (gt->version == 1) {
        says->gfn = shared_read(&grant_entry_v1(gt, ref)->frame);
        return GRANT_WHOLE;
    }
    v2 = grant_entry_v2(gt, ref);
    if ((head.flags & GTF_type_mask) == GTF_transitive) {
        says->via_domid = shared_read(&v2->transitive.trans_domid);
        says->via_ref = shared_read(&v2->transitive.gref);
        return GRANT_TRANSITIVE;
    }
    says->gfn = shared_read(&v2->full_page.frame);
    if (!(head.flags & GTF_sub_page)) {
        return GRANT_WHOLE;
    }
    BUILD_ASSERT(offsetof(union grant_entry_v2, full_page.frame) ==
                 offsetof(union grant_entry_v2, sub_page.frame));
    says->start = shared_read(&v2->sub_page.page_off);
    says->length = shared_read(&v2->sub_page.length);
    return GRANT_PART;
}
