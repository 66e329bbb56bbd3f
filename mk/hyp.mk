# The hypervisor: hyp/core, hyp/arch/x86 and lib, freestanding, linked at layout.h's IMAGE_START.
HYP_DIRS := hyp/core hyp/arch/x86 lib
HYP_SRC  := $(sort $(filter-out %_test.c %_fuzz.c %/asm_offsets.c,$(shell find $(HYP_DIRS) -name '*.c')))
HYP_ASM  := $(sort $(shell find hyp/arch/x86 -name '*.S'))
HYP_OBJ  := $(HYP_SRC:%.c=$(BUILD)/%.o) $(HYP_ASM:%.S=$(BUILD)/%.o)

HYP_INC    := -Iinclude -Ihyp -Ihyp/arch/x86 -I$(BUILD)/gen -D__XEN_TOOLS__ -DLODGE_DEBUG=$(DEBUG)
HYP_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-builtin-printf -fpie -fvisibility=hidden \
              -mno-red-zone -mno-sse -mno-mmx -mno-80387 -msoft-float -fno-stack-protector \
              -fno-strict-aliasing -fno-common -fno-omit-frame-pointer -fcf-protection=none \
              -fno-asynchronous-unwind-tables -fno-delete-null-pointer-checks -fno-jump-tables \
              $(WARN) $(HYP_INC)
HYP_LDFLAGS := -m elf_x86_64 -static -no-pie -z noexecstack -z max-page-size=4096 \
               --no-warn-rwx-segments

$(BUILD)/%.o: %.c $(BUILD)/gen/asm_offsets.h
	@mkdir -p $(@D)
	$(CC) $(HYP_CFLAGS) -include hyp/arch/x86/pie.h -MMD -MP -c $< -o $@

$(BUILD)/%.o: %.S $(BUILD)/gen/asm_offsets.h
	@mkdir -p $(@D)
	$(CC) $(HYP_INC) -g -D__ASSEMBLY__ -MMD -MP -c $< -o $@

# asm_offsets.c is compiled to assembly; its `->NAME value` lines become definitions.
# clang must be kept from reading them as assembly.
ASM_UNREAD := $(if $(findstring clang,$(CC)),-fno-integrated-as)
$(BUILD)/gen/asm_offsets.h: hyp/arch/x86/asm_offsets.c
	@mkdir -p $(@D)
	$(CC) $(HYP_CFLAGS) $(ASM_UNREAD) -MMD -MP -MT $@ -MF $(@:.h=.d) -S $< -o $(@:.h=.s)
	sed -n 's/.*->\([A-Z0-9_a-z]*\) [$$]*\(-*[0-9]*\).*/#define \1 \2/p' $(@:.h=.s) > $@

$(BUILD)/gen/lodge.lds: hyp/arch/x86/lodge.lds hyp/arch/x86/layout.h
	@mkdir -p $(@D)
	$(CC) -E -P -x assembler-with-cpp -D__ASSEMBLY__ $(HYP_INC) $< -o $@

# Linked twice: the first image's function names become the table that the second one carries for
# its reports. The table lies behind all code, so no function moves between the two.
NO_SYMBOLS := $(foreach s,count table names,--defsym=symbol_$(s)=image_start)
$(BUILD)/gen/lodge.pass1: $(HYP_OBJ) $(BUILD)/gen/lodge.lds
	$(LD) $(HYP_LDFLAGS) $(NO_SYMBOLS) -T $(BUILD)/gen/lodge.lds -o $@ $(HYP_OBJ)

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
