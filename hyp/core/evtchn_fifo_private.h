/*
 * What the two halves of the FIFO ABI share: our side of queues and event array. See evtchn_fifo.c.
 */
#ifndef CORE_EVTCHN_FIFO_PRIVATE_H
#define CORE_EVTCHN_FIFO_PRIVATE_H

#include "core/evtchn_private.h"

#define WORDS_PER_PAGE (PAGE_SIZE / sizeof(event_word_t))
#define ARRAY_PAGES    (EVTCHN_FIFO_NR_CHANNELS / WORDS_PER_PAGE)

struct evtchn_fifo_vcpu {
    struct spinlock lock; /* RANK_EVTCHN_FIFO */
    bool enabled;
    struct frame *control_frame;
    /* NULL until EVTCHNOP_init_control for this vCPU. Atomic: others look whether it is there. */
    struct evtchn_fifo_control_block *control;
    uint32_t tail[EVTCHN_FIFO_MAX_QUEUES]; /* port last linked; 0 = none */
};

struct evtchn_fifo {
    uint32_t nr_words; /* release when it grows */
    event_word_t *pages[ARRAY_PAGES];
    struct frame *frames[ARRAY_PAGES];
};

#endif
