/*
 * Every lock of the hypervisor, outermost first: a CPU may take a lock only if its rank is greater
 * than that of every lock it holds (equal ranks: only where the note says in which order).
 * Debug builds stop on an inversion.
 */
#ifndef CORE_LOCK_RANK_H
#define CORE_LOCK_RANK_H

enum lock_rank {
    RANK_NONE = 0,     /* a lock that is not ranked: tests only */
    RANK_CPU_HOTPLUG,  /* the map of online CPUs */
    RANK_DOMAIN,       /* struct domain: creation, destruction, vcpu array, hypercall-level state */
    RANK_DOMLIST,      /* the domain table */
    RANK_VCPU,         /* struct vcpu: initialise, up, down */
    RANK_PIRQ,         /* struct domain: pirq to irq bindings; the hardware lock of an irq is inside */
    RANK_EVTCHN,       /* struct domain: event ports; of two domains the lower domid first */
    RANK_EVTCHN_FIFO,  /* one FIFO queue's tail */
    RANK_GNTTAB,       /* a domain's grant table; of two domains the lower domid first */
    RANK_MAPTRACK,     /* a domain's map track table */
    RANK_PT,           /* a page-table frame's lock bit (x86: pv/pagetable.c) */
    RANK_MMIO,         /* domains' rights to device memory */
    RANK_PAGELIST,     /* struct domain: page list and counters */
    RANK_M2P,          /* allocation of M2P or p2m structures */
    RANK_HEAP,         /* buddy allocator */
    RANK_OBJECT,       /* object allocator */
    RANK_IRQ,          /* struct irq_desc */
    RANK_MSI,          /* messages and mask bits of PCI devices */
    RANK_IOAPIC,       /* I/O APIC and PCI configuration registers */
    RANK_SCHED,        /* a CPU's run queue; of two queues the lower CPU first */
    RANK_TIMER,        /* a CPU's timer heap; of two heaps the lower CPU first */
    RANK_VIRQ,         /* which domains handle global virtual interrupts */
    RANK_WORK,         /* the CPUs' deferred work lists */
    RANK_TIME,         /* platform clock */
    RANK_SERIAL,       /* one serial port */
    RANK_CONSOLE,      /* console ring and output */
};

#endif
