/* Debug keys 'p' and 'P': the counters, in all and by domain. */
#include "core/cpumap.h"
#include "core/debugkey.h"
#include "core/domain.h"
#include "core/log.h"
#include "core/perfc_private.h"

static uint64_t reset_ns;

/* Of an array, what each number is called; NULL: it has none. */
static const char *hypercall_name(unsigned int nr)
{
    static const char *const names[64] = {
#define HYPERCALL(nr, name, status, note)      [nr] = #name,
#define HYPERCALL_NONE(nr, name, answer, note) [nr] = #name,
#include "ops/hypercall.def"
#undef HYPERCALL
#undef HYPERCALL_NONE
    };

    return names[nr % 64];
}

static void show_array(const struct perfc_row *row, const uint64_t *sums)
{
    for (unsigned int i = 0; i < row->n; i++) {
        const char *name = row->first == PERFC_hypercalls ? hypercall_name(i) : NULL;

        if (!sums[row->first + i]) {
            continue;
        }
        if (name) {
            console_printf("      %-30s %12llu\n", name, (unsigned long long)sums[row->first + i]);
        } else {
            console_printf("      %-30u %12llu\n", i, (unsigned long long)sums[row->first + i]);
        }
    }
}

static void show_vcpu_rows(const uint64_t *sums)
{
    for (unsigned int i = 0; i < NR_PERFC_ROWS; i++) {
        const struct perfc_row *row = &perfc_rows[i];
        uint64_t sum = 0;

        for (unsigned int k = 0; k < row->n; k++) {
            sum += sums[row->first + k];
        }
        if (sum) {
            console_printf("    %-32s %12llu\n", row->text, (unsigned long long)sum);
        }
        if (row->n > 1) {
            show_array(row, sums);
        }
    }
}

static void show_cpu_rows(void)
{
    unsigned int cpu;

    for (unsigned int i = 0; i < NR_PERFC_ROWS; i++) {
        const struct perfc_row *row = &perfc_rows[i];

        if (row->n) {
            continue;
        }
        console_printf("    %-32s", row->text);
        cpumap_for_each(cpu, &cpus_online)
        {
            console_printf(" %12llu", (unsigned long long)perfc_cpu_total(cpu, row->first));
        }
        console_printf("\n");
    }
}

void perfc_dump(void)
{
    uint64_t sums[NR_PERFC_VCPU];

    console_printf("  since %llu ms:\n",
                   (unsigned long long)((arch_time_ns() - reset_ns) / NS_PER_MS));
    show_cpu_rows();
    perfc_vcpu_totals(sums);
    show_vcpu_rows(sums);
    domain_list_lock();
    for (const struct domain *d = domain_first(); d; d = d->next_in_list) {
        for (unsigned int k = 0; k < NR_PERFC_VCPU; k++) {
            sums[k] = 0;
        }
        perfc_domain_add(d, sums);
        console_printf("  domain %u, since it began:\n", d->id);
        show_vcpu_rows(sums);
    }
    domain_list_unlock();
}

static void key_counters(char key)
{
    (void)key;
    perfc_dump();
}
DEBUGKEY('p', "what was counted: hypercalls, exceptions, interrupts; by domain too", key_counters);

static void key_reset_counters(char key)
{
    (void)key;
    perfc_reset();
    reset_ns = arch_time_ns();
}
DEBUGKEY('P', "count from zero (but domains' own)", key_reset_counters);
