/* The page of call stubs that older guests ask for: public/elfnote.h, XEN_ELFNOTE_HYPERCALL_PAGE. */
#ifndef X86_PV_HYPERCALL_PAGE_H
#define X86_PV_HYPERCALL_PAGE_H

void hypercall_page_fill(void *page); /* 4 KiB, mapped */

#endif
