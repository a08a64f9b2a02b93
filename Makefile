# Slipway's commands. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

HOST_ARCH := $(if $(filter x86_64 amd64,$(shell uname -m)),x86_64,arm64)
GOARCH_x86_64 := amd64
GOARCH_arm64 := arm64

LAMBDAS := $(patsubst lambdas/%/main.go,%,$(wildcard lambdas/*/main.go))
LAMBDA_BINARIES := $(foreach arch,$(sort arm64 $(HOST_ARCH)),$(LAMBDAS:%=build/lambdas/$(arch)/%/bootstrap))
LAMBDA_SOURCES := go.mod go.sum $(shell find lambdas internal/contract internal/qalease internal/qacluster internal/prices -name '*.go' -not -name '*_test.go')
APP_SOURCES := go.mod go.sum app.go $(shell find stacks constructs internal -name '*.go' -not -name '*_test.go')

PYTHON := .venv/bin/python
# The project's own Node comes first: the CDK CLI and jsii both use it.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

##@ Everyday
.PHONY: demo
demo: setup build ## Deploy the whole platform to a local AWS and show it working
	go run ./local/demo

.PHONY: drill
drill: setup build ## Fire drill of the response to findings, on a local AWS of its own: contained, undone, as it was
	go run ./local/drill

.PHONY: down
down: ## Stop the local AWS of `make demo` (its state stays; `make purge` removes it)
	$(PYTHON) -m local down

.PHONY: purge
purge: ## Stop the local AWS and remove its state and containers
	$(PYTHON) -m local down --purge

.PHONY: app
app: flaskapp/.venv/.installed ## Run the sample application alone, on a database and a bucket of its own
	flaskapp/.venv/bin/python flaskapp/run_local.py

REPLAYED := lambdas/deployhook/replay/examples
.PHONY: replay
replay: ## Ask a new version what the deployment hook would: EVENT=file [URL=http://…] [CONFIG=file]; answers nobody
	go run ./lambdas/deployhook/replay -event "$(or $(EVENT),$(REPLAYED)/codedeploy.json)" -config "$(or $(CONFIG),$(REPLAYED)/config.json)" $(if $(URL),-url "$(URL)")

.PHONY: doctor
doctor: ## Look for what would stop a deployment: accounts, zones, quotas, the image (STAGE=…, IMAGE=… narrow it)
	@go run ./tools/slipway doctor $(if $(STAGE),-stage "$(STAGE)") $(if $(IMAGE),-image "$(IMAGE)")

.PHONY: synth
synth: setup build ## Write all templates to cdk.out (no credentials, no network)
	cdk synth --quiet --no-lookups
	@echo "Templates are in cdk.out."

##@ QA environments (with AWS_ENDPOINT_URL those of the local AWS)
# What people give reaches the shell as variables, never as text of a command.
export BRANCH TTL OWNER IMAGE WHY

.PHONY: qa-up
qa-up: setup build ## BRANCH=… [TTL=48h] [OWNER=…] [IMAGE=tag]: deploy a branch's environment, or update it and renew its lease
	go run ./tools/slipway qa up -branch "$${BRANCH:-}" -ttl "$${TTL:-}" -owner "$${OWNER:-}" -image "$${IMAGE:-}"

.PHONY: qa-list
qa-list: ## All environments: owner, end, state, address, cost
	go run ./tools/slipway qa list

.PHONY: qa-extend
qa-extend: ## BRANCH=… [TTL=48h]: let an environment live longer
	go run ./tools/slipway qa extend -branch "$${BRANCH:-}" -ttl "$${TTL:-}"

.PHONY: qa-down
qa-down: ## BRANCH=…: delete an environment and wait until it is gone
	go run ./tools/slipway qa down -branch "$${BRANCH:-}"

.PHONY: qa-wake
qa-wake: ## BRANCH=…: wake an environment that sleeps outside office hours
	go run ./tools/slipway qa wake -branch "$${BRANCH:-}"

.PHONY: qa-pause
qa-pause: ## [WHY=…]: delete no environment until qa-resume
	go run ./tools/slipway qa pause -why "$${WHY:-}"

.PHONY: qa-resume
qa-resume: ## End the pause
	go run ./tools/slipway qa resume

##@ Findings (with AWS_ENDPOINT_URL those of the local AWS)
.PHONY: findings
findings: ## What the response to findings did, and what waits; go run ./tools/slipway findings says how to approve and undo
	go run ./tools/slipway findings list

##@ Proof
.PHONY: test
test: lint fast test-cdk test-app test-image ## Everything that proves the project
	$(MAKE) -j2 test-e2e test-local drill # they mostly wait, for schedules and for containers

.PHONY: fast
fast: ## Only the pure tests, in seconds
	go test ./internal/... ./lambdas/... ./local/... ./tools/...

.PHONY: test-cdk
test-cdk: setup build ## Templates: golden files, rules, cfn-lint
	go test ./test

.PHONY: test-app
test-app: flaskapp/.venv/.installed ## The sample application
	$(MAKE) -C flaskapp test PYTHON=$(CURDIR)/flaskapp/.venv/bin/python

.PHONY: test-image
test-image: setup ## The sample application's tests inside its image: read-only root, no capabilities
	$(PYTHON) -m local test-image --tag test --commit "$$(git rev-parse HEAD)" || { code=$$?; [ $$code -eq 3 ] && [ "$${CI:-}" != true ] && echo "LEFT OUT, there is no container engine"; }

.PHONY: test-local
test-local: setup ## The local AWS
	$(PYTHON) -m pytest --quiet local

.PHONY: test-e2e
test-e2e: setup build ## Deploy, use, clean up and destroy the platform on a local AWS of its own
	go test ./test/e2e -count=1 -timeout 25m -v

.PHONY: lint
lint: setup build flaskapp/.venv/.installed ## Formatters and linters of Go, Python and the workflows
	go tool -modfile=tools/lint/go.mod golangci-lint run ./...
	PATH="$(CURDIR)/.venv/bin:$$PATH" go tool -modfile=tools/actionlint/go.mod actionlint # with shellcheck on each script
	.venv/bin/zizmor --quiet --offline --no-progress .github
	$(MAKE) -C flaskapp lint PYTHON=$(CURDIR)/flaskapp/.venv/bin/python

.PHONY: golden
golden: setup build ## Rewrite the golden templates after a change that was meant
	go test ./test -run TestGolden -update

.PHONY: bench
bench: setup build flaskapp/.venv/.installed test/bench/custodian/.venv/.installed ## Measure synthesis, Lambdas, the response to findings, the QA cleanup beside Cloud Custodian, and the demo
	go run ./test/bench
	@echo; echo "The fire drill:"; go run ./local/drill | sed -n '/CONTAINED counts/,$$p'
	go test ./lambdas/qacleanup -run TestThousandExpiredEnvironmentsAmongFiveThousandServices -count=1 -v | grep calls
	$(MAKE) -C flaskapp bench PYTHON=$(CURDIR)/flaskapp/.venv/bin/python

##@ Parts
.PHONY: setup
setup: prerequisites node_modules/.installed .venv/.installed ## Install the pinned tools into the checkout

.PHONY: prerequisites
prerequisites: ## Check what the machine must bring along
	@tools/prerequisites

.PHONY: build
build: $(LAMBDA_BINARIES) build/slipway ## Build the Lambdas and the CDK app

build/slipway: $(APP_SOURCES)
	@mkdir -p $(@D)
	go build -o $@ .

# $(1) is the architecture as Lambda names it. The same source gives the same bytes, hence the same asset hash.
define lambda_rule
build/lambdas/$(1)/%/bootstrap: $(LAMBDA_SOURCES)
	@mkdir -p $$(@D)
	CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH_$(1)) go build -trimpath -buildvcs=false -tags lambda.norpc -ldflags "-s -w" -o $$@ ./lambdas/$$*
	@touch $$@
endef
$(foreach arch,$(sort arm64 $(HOST_ARCH)),$(eval $(call lambda_rule,$(arch))))

node_modules/.installed: package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

.venv/.installed: local/requirements.txt tools/requirements.txt
	python3 -m venv .venv
	$(PYTHON) -m pip install --quiet --require-hashes -r local/requirements.txt -r tools/requirements.txt
	@touch $@

# The application has dependencies of its own, which must not meet those of the local AWS.
flaskapp/.venv/.installed: flaskapp/requirements-dev.txt
	python3 -m venv flaskapp/.venv
	flaskapp/.venv/bin/python -m pip install --quiet --require-hashes -r flaskapp/requirements-dev.txt
	@touch $@

# Cloud Custodian is for the benchmark alone, so nothing else installs it.
test/bench/custodian/.venv/.installed: test/bench/custodian/requirements.txt
	python3 -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --require-hashes -r $<
	@touch $@

.PHONY: clean
clean: ## Remove everything that was built (not the installed tools)
	rm -rf build cdk.out

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
