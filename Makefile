.PHONY: help check test test-all migration
help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'
check: ## format, lint, types, walls
	./hanok test --checks
test: ## the tests that need neither root nor engines
	./hanok test --quick
test-all: ## everything
	./hanok test
migration: ## a migration from what the tables' code changed: make migration what="add things"
	./hanok test --migration "$(what)"
