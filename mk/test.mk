# `make test`: unit tests, fuzzers, small guests and whole boots; ends with the counts of all.
.PHONY: test
test: ## everything that is proved, added up in the last line: FUZZ_SECONDS=5
	@packaging/deps test
	@$(MAKE) --no-print-directory all unit-build fuzz guests
	@BUILD='$(BUILD)' FUZZ_SECONDS='$(FUZZ_SECONDS)' \
		tests/tools/run-tests --unit $(UNIT_TESTS) --fuzz $(FUZZERS)
FUZZ_SECONDS ?= 5
