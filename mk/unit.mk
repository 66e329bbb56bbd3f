# Unit tests and fuzzers: hyp/core and lib beside hyp/arch/host in an ordinary process, under the sanitizers.
# X_test.c becomes $(BUILD)/host/X_test, X_fuzz.c becomes $(BUILD)/host/X_fuzz. A test's own definitions win over the archive's.
HOST_DIRS  := hyp/core hyp/arch/host lib
# What stands in for handlers that no file defines is looked for when all the others have been.
HOST_LAST  := hyp/core/hypercall_absent.c
HOST_SRC   := $(filter-out $(HOST_LAST),$(sort $(filter-out %_test.c %_fuzz.c,$(shell find $(HOST_DIRS) -name '*.c'))))
UNIT_SRC   := $(sort $(shell find $(HOST_DIRS) -name '*_test.c'))
FUZZ_SRC   := $(sort $(shell find $(HOST_DIRS) -name '*_fuzz.c'))
UNIT_TESTS := $(UNIT_SRC:%.c=$(BUILD)/host/%)
FUZZERS    := $(FUZZ_SRC:%.c=$(BUILD)/host/%)

HOST_SANITIZE ?= address,undefined
HOST_CFLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer -fno-strict-aliasing -fno-common $(WARN) -D_GNU_SOURCE -DLODGE_HOST -DLODGE_DEBUG=1 \
               -D__XEN_TOOLS__ -Iinclude -Ihyp -Ihyp/arch/host -Itests -I.
UNIT_CFLAGS := $(HOST_CFLAGS) -fsanitize=$(HOST_SANITIZE) -fno-sanitize-recover=all
UNIT_LIBS   := -lcmocka -lz -llzma -lzstd -llz4 -lpthread
FUZZ_CC     ?= clang
FUZZ_CFLAGS := $(HOST_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all

HOST_OBJ := $(HOST_SRC:%.c=$(BUILD)/host/obj/%.o)
FUZZ_OBJ := $(HOST_SRC:%.c=$(BUILD)/host/fuzz-obj/%.o)
LAST_OBJ := $(HOST_LAST:%.c=$(BUILD)/host/obj/%.o)
FUZZ_LAST_OBJ := $(HOST_LAST:%.c=$(BUILD)/host/fuzz-obj/%.o)

.PHONY: unit unit-build fuzz
unit-build: $(UNIT_TESTS)
fuzz: $(FUZZERS) ## build the fuzzers: $(BUILD)/host/..._fuzz

unit: $(UNIT_TESTS) ## build and run the unit tests
	@sh mk/unit-run $(BUILD)/host $(UNIT_TESTS)

$(BUILD)/host/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/host/fuzz-obj/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/host/liblodge.a: $(HOST_OBJ)
	@rm -f $@
	ar rcs $@ $(HOST_OBJ)

$(BUILD)/host/liblodge-last.a: $(LAST_OBJ)
	@rm -f $@
	ar rcs $@ $(LAST_OBJ)

$(BUILD)/host/liblodge-fuzz.a: $(FUZZ_OBJ)
	@rm -f $@
	ar rcs $@ $(FUZZ_OBJ)

$(BUILD)/host/liblodge-fuzz-last.a: $(FUZZ_LAST_OBJ)
	@rm -f $@
	ar rcs $@ $(FUZZ_LAST_OBJ)

$(UNIT_TESTS): $(BUILD)/host/%: $(BUILD)/host/obj/%.o $(BUILD)/host/liblodge.a $(BUILD)/host/liblodge-last.a
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) -Wl,-z,muldefs -o $@ $^ $(UNIT_LIBS)

$(FUZZERS): $(BUILD)/host/%: $(BUILD)/host/fuzz-obj/%.o $(BUILD)/host/liblodge-fuzz.a $(BUILD)/host/liblodge-fuzz-last.a
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer -Wl,-z,muldefs -o $@ $^ $(filter-out -lcmocka,$(UNIT_LIBS))

-include $(HOST_OBJ:.o=.d) $(LAST_OBJ:.o=.d) $(FUZZ_LAST_OBJ:.o=.d) $(UNIT_SRC:%.c=$(BUILD)/host/obj/%.d) $(FUZZ_OBJ:.o=.d) $(FUZZ_SRC:%.c=$(BUILD)/host/fuzz-obj/%.d)
