# `make run`: a live domain 0 on this terminal. HV=xen and HV=native boot the same for comparison.
HV     ?= lodge
CPUS   ?= 2
MEM    ?= 2G
KERNEL ?= 6.1

.PHONY: run
run: ## a root shell in domain 0: CPUS=2 MEM=2G KERNEL=6.1 HV=lodge|xen|native QEMU= APPEND= XENOPTS=
	@packaging/deps run
ifeq ($(HV),lodge)
	@$(MAKE) --no-print-directory $(BUILD)/lodge
endif
	@HV='$(HV)' CPUS='$(CPUS)' MEM='$(MEM)' KERNEL='$(KERNEL)' QEMU='$(QEMU)' APPEND='$(APPEND)' \
		XENOPTS='$(XENOPTS)' BUILD='$(BUILD)' tests/tools/run-dom0
