/* What domain.c and vcpu.c share. */
#ifndef CORE_VCPU_PRIVATE_H
#define CORE_VCPU_PRIVATE_H

struct vcpu;

void vcpu_destroy(struct vcpu *v); /* at any stage of its making; never runs again. NULL is fine */

#endif
