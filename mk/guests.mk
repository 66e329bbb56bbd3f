# Small guests of our own: one library (guests/lib), one image per guests/*.c. Freestanding, bootable by
# Lodge and by Xen. Stands alone too: make -f mk/guests.mk guests
BUILD ?= build
ifeq ($(origin CC),default)
CC := gcc
endif
CC ?= gcc

GUEST_DIR := $(BUILD)/guests
GUEST_NAMES := $(patsubst guests/%.c,%,$(wildcard guests/*.c))
GUEST_IMAGES := $(GUEST_NAMES:%=$(GUEST_DIR)/%.elf) $(GUEST_DIR)/start-old.elf
GUEST_LIB := $(patsubst guests/lib/%.c,$(GUEST_DIR)/lib/%.o,$(wildcard guests/lib/*.c)) \
	     $(patsubst guests/lib/%.S,$(GUEST_DIR)/lib/%.S.o,$(wildcard guests/lib/*.S))

# No registers beyond the general ones, no red zone: an upcall may land between any two instructions.
GUEST_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wvla -ffreestanding -fno-pic -fno-pie \
	-mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-omit-frame-pointer -D__XEN_TOOLS__ -Iguests -MMD -MP
GUEST_LDFLAGS := -nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack

.PHONY: guests
.SECONDARY: $(GUEST_LIB) $(GUEST_NAMES:%=$(GUEST_DIR)/%.o)
guests: $(GUEST_IMAGES) ## the small guests of our own, in $(BUILD)/guests

$(GUEST_DIR)/lib/%.o: guests/lib/%.c mk/guests.mk
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -c -o $@ $<

$(GUEST_DIR)/lib/%.S.o: guests/lib/%.S mk/guests.mk
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -D__ASSEMBLY__ -c -o $@ $<

$(GUEST_DIR)/%.o: guests/%.c mk/guests.mk
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -c -o $@ $<

$(GUEST_DIR)/guest.lds: guests/lib/guest.lds guests/lib/layout.h mk/guests.mk
	@mkdir -p $(@D)
	$(CC) -E -P -x c -D__ASSEMBLER__ -o $@ $<

$(GUEST_DIR)/%.elf: $(GUEST_DIR)/%.o $(GUEST_LIB) $(GUEST_DIR)/guest.lds
	$(CC) $(GUEST_LDFLAGS) -Wl,-T,$(GUEST_DIR)/guest.lds -o $@ $(filter %.o,$^)

# The same guest the way kernels of long ago were linked (see lib/start.S).
$(GUEST_DIR)/lib/start-old.S.o: guests/lib/start.S mk/guests.mk
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -DOLD_STYLE -D__ASSEMBLY__ -c -o $@ $<

$(GUEST_DIR)/guest-old.lds: guests/lib/guest.lds guests/lib/layout.h mk/guests.mk
	@mkdir -p $(@D)
	$(CC) -E -P -x c -D__ASSEMBLER__ -DOLD_STYLE -o $@ $<

$(GUEST_DIR)/start-old.elf: $(GUEST_DIR)/start.o $(GUEST_LIB:%/start.S.o=%/start-old.S.o) $(GUEST_DIR)/guest-old.lds
	$(CC) $(GUEST_LDFLAGS) -Wl,-T,$(GUEST_DIR)/guest-old.lds -o $@ $(filter %.o,$^)

-include $(wildcard $(GUEST_DIR)/*.d $(GUEST_DIR)/lib/*.d)
