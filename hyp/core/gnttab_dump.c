/* Debug key 'g': every domain's grant table, and what is used of it. */
#include "core/debugkey.h"
#include "core/gnttab_private.h"

static void dump_entry(const struct grant_table *gt, grant_ref_t ref)
{
    const struct grant_pins *pins = grant_pins(gt, ref);

    console_printf("    %6u d%-5u frame %#x, host r %u w %u, device r %u w %u, entry %#x\n", ref,
                   pins->domid, pins->frame, pins->count[GRANT_HOST_READ],
                   pins->count[GRANT_HOST_WRITE], pins->count[GRANT_DEV_READ],
                   pins->count[GRANT_DEV_WRITE],
                   gt->closed ? 0 : (uint16_t)shared_read(grant_head_at(gt, ref)));
}

void gnttab_dump(struct domain *d)
{
    struct grant_table *gt = d->grant_table;

    if (!gt) {
        return;
    }
    spin_lock(&gt->lock);
    console_printf(
        "d%u: grant table version %u: frames %u of %u, maps %u, map track frames %u of %u%s\n",
        d->id, gt->version, gt->nr_frames, gt->max_frames, gt->nr_mapped,
        (unsigned int)(gt->nr_handles / MAPTRACK_PER_FRAME), gt->max_maptrack_frames,
        gt->closed ? ", closed" : "");
    for (grant_ref_t ref = 0; ref < grants_limit(gt); ref++) {
        if (grant_pins(gt, ref)->any) {
            dump_entry(gt, ref);
        }
    }
    spin_unlock(&gt->lock);
}

static void dump_all(char key)
{
    (void)key;
    domain_list_lock();
    for (struct domain *d = domain_first(); d; d = d->next_in_list) {
        gnttab_dump(d);
    }
    domain_list_unlock();
}

DEBUGKEY('g', "grant tables of all domains", dump_all);
