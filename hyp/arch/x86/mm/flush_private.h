/* Between mm/flush.c and cpu/smp.c. */
#ifndef X86_MM_FLUSH_PRIVATE_H
#define X86_MM_FLUSH_PRIVATE_H

/* Does the flush that another CPU asked of this one, if any. */
void flush_serve(void);
/*
 * Everything, on this CPU, with the hypervisor's Global translations. arg: unused (arch_call_cpus).
 */
void flush_everything(void *arg);
void flush_init(void); /* registers VECTOR_TLB */

#endif
