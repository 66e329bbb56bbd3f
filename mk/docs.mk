# `make docs`: the page that is made from tables. `make docs-check`: do README.md and docs/ say what the tree says?
# Stands alone too: make -f mk/docs.mk docs
.PHONY: docs docs-check
docs: ## docs/abi.md from the tables of hypercalls
	@tests/tools/abi-page

docs-check: ## fails where README.md or docs/ contradict the code
	@tests/tools/abi-page --check
	@docs/check
