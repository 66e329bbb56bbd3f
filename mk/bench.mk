# `make bench`: native Linux, Xen 4.17 and Lodge side by side; the table stays in $(BUILD)/bench/table.md.
PAIRS ?= 5

.PHONY: bench
bench: ## one table of native, Xen 4.17 and Lodge: PAIRS=5 KERNEL=6.1
	@packaging/deps bench
	@$(MAKE) --no-print-directory all guests
	@BUILD='$(BUILD)' bench/run --pairs $(PAIRS) --kernel $(KERNEL)
