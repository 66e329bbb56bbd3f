/* Error numbers with the values the ABI promises: public/errno.h without its prefix, or the C library's. */
#ifndef LODGE_ERRNO_H
#define LODGE_ERRNO_H

#if __STDC_HOSTED__
#include <errno.h>
#else
#define XEN_ERRNO(name, value) name = value,
enum {
#include <xen/errno.h>
    ERESTART = 85, /* ours alone: the operation stopped halfway and is to be continued */
};
#endif

#endif
