/* Between smp.c, smp_boot.c and smp_park.c. */
#ifndef X86_CPU_SMP_PRIVATE_H
#define X86_CPU_SMP_PRIVATE_H

void smp_leave(void); /* this CPU, which has nothing left to do, is asked for nothing any more */
void smp_unpark(unsigned int cpu); /* about to be started: halted or not */

#endif
