/*
 * Per-CPU data: one element per possible CPU, each on its own cache lines.
 *   static DEFINE_PER_CPU(struct timer_cpu, timer_cpus);
 *   this_cpu(timer_cpus).count++;      per_cpu(timer_cpus, cpu).count
 * this_cpu() is stable: the hypervisor is not preempted, and a vCPU changes CPU only in the
 * scheduler. What a header shows with DECLARE_PER_CPU(type, name) its .c defines with
 * DEFINE_DECLARED_PER_CPU(name).
 */
#ifndef CORE_PERCPU_H
#define CORE_PERCPU_H

#include <lodge/compiler.h>
#include "core/arch.h"

#define DEFINE_PER_CPU(type, name)  struct { type v; } ALIGNED(64) name[NR_CPUS]
#define DECLARE_PER_CPU(type, name) extern struct { type v; } ALIGNED(64) name[NR_CPUS]
#define DEFINE_DECLARED_PER_CPU(name) __typeof__(name) name
#define per_cpu(name, cpu)          (name[cpu].v)
#define this_cpu(name)              (name[arch_cpu_id()].v)

#endif
