/* The two 8259 interrupt controllers of old: moved out of the way and silenced. */
#ifndef X86_PLATFORM_PIC_H
#define X86_PLATFORM_PIC_H

void pic_disable(void);

#endif
