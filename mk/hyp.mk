# The hypervisor: hyp/core, hyp/arch/x86 and lib, freestanding, linked at layout.h's IMAGE_START.
HYP_DIRS := hyp/core hyp/arch/x86 lib
HYP_SRC  := $(sort $(filter-out %_test.c %_fuzz.c %/asm_offsets.c,$(shell find $(HYP_DIRS) -name '*.c')))
HYP_ASM  := $(sort $(shell find hyp/arch/x86 -name '*.S'))
HYP_OBJ  := $(HYP_SRC:%.c=$(BUILD)/%.o) $(HYP_ASM:%.S=$(BUILD)/%.o)

HYP_INC    := -Iinclude -Ihyp -Ihyp/arch/x86 -I$(BUILD)/gen -D__XEN_TOOLS__ -DLODGE_DEBUG=$(DEBUG)
HYP_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-builtin-printf -fpie -fvisibility=hidden -mno-red-zone -mno-sse -mno-mmx \
              -mno-80387 -msoft-float -fno-stack-protector -fno-strict-aliasing -fno-common -fno-omit-frame-pointer \
              -fno-asynchronous-unwind-tables -fcf-protection=none -fno-delete-null-pointer-checks -fno-jump-tables \
              $(WARN) $(HYP_INC)
HYP_LDFLAGS := -m elf_x86_64 -static -no-pie -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments

$(BUILD)/%.o: %.c $(BUILD)/gen/asm_offsets.h
	@mkdir -p $(@D)
	$(CC) $(HYP_CFLAGS) -include hyp/arch/x86/pie.h -MMD -MP -c $< -o $@

$(BUILD)/%.o: %.S $(BUILD)/gen/asm_offsets.h
	@mkdir -p $(@D)
	$(CC) $(HYP_INC) -g -D__ASSEMBLY__ -MMD -MP -c $< -o $@

# asm_offsets.c is compiled to assembly; its `->NAME value` lines become definitions.
$(BUILD)/gen/asm_offsets.h: hyp/arch/x86/asm_offsets.c
	@mkdir -p $(@D)
	$(CC) $(HYP_CFLAGS) -MMD -MP -MT $@ -MF $(BUILD)/gen/asm_offsets.d -S $< -o $(BUILD)/gen/asm_offsets.s
	sed -n 's/.*->\([A-Z0-9_a-z]*\) [$$]*\(-*[0-9]*\).*/#define \1 \2/p' $(BUILD)/gen/asm_offsets.s > $@

$(BUILD)/gen/lodge.lds: hyp/arch/x86/lodge.lds hyp/arch/x86/layout.h
	@mkdir -p $(@D)
	$(CC) -E -P -x assembler-with-cpp -D__ASSEMBLY__ $(HYP_INC) $< -o $@

# Linked twice: the first image's function names become the table that the second one carries for its reports.
# The table lies behind all code, so no function moves between the two.
$(BUILD)/gen/lodge.pass1: $(HYP_OBJ) $(BUILD)/gen/lodge.lds
	$(LD) $(HYP_LDFLAGS) --defsym=symbol_count=image_start --defsym=symbol_table=image_start --defsym=symbol_names=image_start \
	    -T $(BUILD)/gen/lodge.lds -o $@ $(HYP_OBJ)

$(BUILD)/gen/symbols.S: $(BUILD)/gen/lodge.pass1 mk/symbols.awk
	nm -n $< | awk -f mk/symbols.awk > $@

$(BUILD)/gen/symbols.o: $(BUILD)/gen/symbols.S
	$(CC) -c $< -o $@

# With all that a debugger wants; build/lodge is the same without it.
$(BUILD)/lodge.debug: $(HYP_OBJ) $(BUILD)/gen/symbols.o $(BUILD)/gen/lodge.lds
	$(LD) $(HYP_LDFLAGS) -T $(BUILD)/gen/lodge.lds -o $@ $(HYP_OBJ) $(BUILD)/gen/symbols.o

$(BUILD)/lodge: $(BUILD)/lodge.debug
	objcopy --strip-all $< $@

-include $(HYP_OBJ:.o=.d) $(BUILD)/gen/asm_offsets.d
