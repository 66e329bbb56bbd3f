# Lodge. `make` builds, `make run` boots a live domain 0, `make test` proves it, `make bench` measures it.
BUILD ?= build
CC    ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
DEBUG ?= 1

.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:

WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wundef

include mk/hyp.mk
-include mk/unit.mk
-include mk/guests.mk
-include mk/test.mk
-include mk/run.mk
-include mk/bench.mk
-include mk/docs.mk

.PHONY: all clean install help
all: $(BUILD)/lodge ## the hypervisor and its tools

install: all ## put everything where a package would: DESTDIR=...
	install -D -m 644 $(BUILD)/lodge $(DESTDIR)/boot/lodge

clean: ## remove what was built (downloads stay in $(BUILD)/cache)
	find $(BUILD) -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} +

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile mk/*.mk | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12
