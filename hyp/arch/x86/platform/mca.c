/*
 * HYPERVISOR_mca: what domain 0's machine-check logger asks. Errors cannot be injected. Answers as
 * Xen 4.17 (xen/arch/x86/cpu/mcheck/mce.c do_mca).
 */
#include "platform/mca.h"
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/privilege.h"
#include "cpu/features.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "platform/acpi.h"

/* Words of the feature set: public/arch-x86/cpufeatureset.h. */
#define WORD_1D  0
#define WORD_1C  1
#define WORD_E1D 2
#define WORD_E1C 3

/* How many low bits of an APIC id number the threads of a core, and all threads of a package. */
struct topology {
    unsigned int thread_bits, package_bits;
};

static unsigned int bits_for(unsigned int n)
{
    return n > 1 ? 32 - __builtin_clz(n - 1) : 0;
}

static struct topology topology_read(void)
{
    struct topology t = { 0, 0 };

    if (cpu_host.max_leaf >= 0xb && (cpuid(0xb, 0).b & 0xffff)) {
        t.thread_bits = cpuid(0xb, 0).a & 0x1f;
        t.package_bits = MAX(cpuid(0xb, 1).a & 0x1f, t.thread_bits);
    } else if (cpu_has(HTT)) {
        t.package_bits = bits_for(cpuid(1, 0).b >> 16 & 0xff);
    }
    return t;
}

struct cpu_place cpu_place(unsigned int cpu)
{
    struct topology t = topology_read();
    uint32_t id = acpi.cpus[cpu].apic_id;

    return (struct cpu_place){
        .apic_id = id,
        .package = id >> t.package_bits,
        .core = (id & ((1U << t.package_bits) - 1)) >> t.thread_bits,
        .thread = id & ((1U << t.thread_bits) - 1),
        .cores = 1U << (t.package_bits - t.thread_bits),
        .threads = 1U << t.thread_bits,
    };
}

static void cpu_describe(xen_mc_logical_cpu_t *c, unsigned int cpu)
{
    struct cpu_place place = cpu_place(cpu);

    memset(c, 0, sizeof(*c));
    c->mc_cpunr = cpu;
    c->mc_apicid = place.apic_id;
    c->mc_clusterid = place.apic_id & 0xff;
    c->mc_chipid = place.package;
    c->mc_coreid = (uint16_t)place.core;
    c->mc_threadid = (uint16_t)place.thread;
    c->mc_ncores = place.cores;
    c->mc_ncores_active = place.cores;
    c->mc_nthreads = place.threads;
    c->mc_cpuid_level = cpu_host.max_leaf;
    c->mc_family = cpu_host.family;
    c->mc_model = cpu_host.model;
    c->mc_step = cpu_host.stepping;
    memcpy(c->mc_vendorid, cpu_host.vendor_name, strlen(cpu_host.vendor_name));
    memcpy(c->mc_brandid, cpu_host.brand, strlen(cpu_host.brand));
    c->mc_cpu_caps[MC_CAPS_STD_EDX] = cpu_host.features[WORD_1D];
    c->mc_cpu_caps[MC_CAPS_STD_ECX] = cpu_host.features[WORD_1C];
    c->mc_cpu_caps[MC_CAPS_AMD_EDX] = cpu_host.features[WORD_E1D];
    c->mc_cpu_caps[MC_CAPS_AMD_ECX] = cpu_host.features[WORD_E1C];
    /* KiB */
    c->mc_cache_size = cpu_host.max_extended_leaf >= 0x80000006 ? cpuid(0x80000006, 0).c >> 16 : 0;
    c->mc_cache_alignment = (cpuid(1, 0).b >> 8 & 0xff) * 8;
    if (cpu_has(MCA)) {
        c->mc_nmsrvals = 1;
        c->mc_msrvalues[0].reg = MSR_MCG_CAP;
        c->mc_msrvalues[0].value = rdmsr(MSR_MCG_CAP);
    }
}

BUILD_ASSERT(sizeof(cpu_host.vendor_name) <= sizeof(((xen_mc_logical_cpu_t *)NULL)->mc_vendorid));
BUILD_ASSERT(sizeof(cpu_host.brand) <= sizeof(((xen_mc_logical_cpu_t *)NULL)->mc_brandid));

/* Uncorrectable errors end the machine, so that none of them is ever there to be fetched. */
static long op_fetch(xen_mc_fetch_t *req)
{
    uint32_t urgency = req->flags & (XEN_MC_URGENT | XEN_MC_NONURGENT);
    const struct mc_info *info = NULL;
    uint64_t id = 0;

    if (urgency != XEN_MC_URGENT && urgency != XEN_MC_NONURGENT) {
        return -EINVAL;
    }
    if (req->flags & XEN_MC_ACK) {
        if (urgency == XEN_MC_NONURGENT) {
            mca_acknowledge(req->fetch_id);
        }
        return 0;
    }
    if (guest_null(req->data)) {
        return -EINVAL;
    }
    if (urgency == XEN_MC_NONURGENT) {
        info = mca_oldest(&id);
    }
    if (info && guest_write(req->data, info)) {
        return -EFAULT;
    }
    req->flags = XEN_MC_OK | (info ? 0 : XEN_MC_NODATA);
    req->fetch_id = id;
    return 0;
}

static long op_physcpuinfo(xen_mc_physcpuinfo_t *req)
{
    unsigned int cpu, done = 0;

    if (guest_null(req->info)) {
        req->ncpus = nr_cpus_online;
        return 0;
    }
    if (req->ncpus == 0) {
        return -EINVAL;
    }
    cpumap_for_each(cpu, &cpus_online)
    {
        xen_mc_logical_cpu_t c;

        if (done == req->ncpus) {
            break;
        }
        cpu_describe(&c, cpu);
        if (guest_write_at(req->info, done, &c)) {
            return -EFAULT;
        }
        done++;
    }
    req->ncpus = done;
    return 0;
}

long hypercall_mca(uint64_t arg_gva, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct xen_mc op;
    long rc = privilege_machine(current);

    (void)a2;
    (void)a3;
    (void)a4;
    (void)a5;
    if (rc) {
        return rc;
    }
    if (guest_copy_from(&op, arg_gva, sizeof(op))) {
        return -EFAULT;
    }
    if (op.interface_version != XEN_MCA_INTERFACE_VERSION) {
        return -EACCES;
    }
    switch (op.cmd) {
    case XEN_MC_fetch:
        rc = op_fetch(&op.u.mc_fetch);
        break;
    case XEN_MC_physcpuinfo:
        rc = op_physcpuinfo(&op.u.mc_physcpuinfo);
        break;
    case XEN_MC_msrinject:
    case XEN_MC_mceinject:
    case XEN_MC_inject_v2:
        return -ENOSYS;
    default: /* XEN_MC_notifydomain too, which nobody has any more */
        return -EINVAL;
    }
    if (!rc && guest_copy_to(arg_gva, &op, sizeof(op))) {
        rc = -EFAULT;
    }
    return rc;
}
