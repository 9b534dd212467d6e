# Quipu. `make` builds build/quipu, build/libquipu.so and build/plugins/NAME.so.
#
#   make demo            a short story that shows what Quipu does
#   make test            every test that fits in ten minutes; SAN=address,undefined or SAN=thread for the same under a sanitizer
#   make check-abi       the public headers: language standards, layout, tags, abidiff
#   make lint            formatting, clang-tidy, cppcheck, dependency rules
#   make install         PREFIX=/usr/local DESTDIR=
#
# A folder of plugins/ that holds C files becomes one plugin; a file tests/unit/test_X.c one test program.

VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=
SAN     ?=

comma := ,
B := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))

CC      ?= cc
OPT     ?= -O2
CSTD    := -std=c11 -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
HARDEN  := -fstack-protector-strong -fstack-clash-protection $(if $(SAN),,-D_FORTIFY_SOURCE=2)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -O1)
INCLUDES := -I. -Iplugin_api -Ihost_shim/include -Iplugins
override CFLAGS += $(CSTD) $(OPT) -g $(WARN) $(HARDEN) -fPIC -fvisibility=hidden -pthread $(INCLUDES) \
	-DQUIPU_VERSION='"$(VERSION)"' $(SANFLAGS)
override LDFLAGS += -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed -pthread $(SANFLAGS)
SHARED  := -shared -Wl,-Bsymbolic $(if $(SAN),,-Wl$(comma)-z$(comma)defs)

objects = $(patsubst %.c,$(B)/obj/%.o,$(1))

BASE_OBJ    := $(call objects,$(wildcard base/*.c))
SDK_OBJ     := $(call objects,$(wildcard plugins/sdk/*.c))
STORAGE_OBJ := $(call objects,$(filter-out storage_git/os.c,$(wildcard storage_git/*.c)))
OS_OBJ      := $(call objects,$(wildcard storage_git/os.c))
CORE_OBJ    := $(call objects,$(wildcard host_shim/core/*.c))
CLI_OBJ     := $(call objects,$(wildcard host_shim/cli/*.c))

LIBBASE    := $(B)/lib/libbase.a
LIBSDK     := $(B)/lib/libsdk.a
LIBSTORAGE := $(B)/lib/libstorage_git.a
LIBCORE    := $(B)/lib/libcore.a

BASE_LIBS    := -lcrypto
SDK_LIBS     := -lcjson -lstemmer -lopenblas -lm
STORAGE_LIBS := -lgit2 -ldeflate

PLUGINS := $(filter-out sdk,$(sort $(foreach f,$(wildcard plugins/*/*.c),$(word 2,$(subst /, ,$(f))))))
PLUGIN_FILES := $(PLUGINS:%=$(B)/plugins/%.so)

.PHONY: all clean
all: $(B)/quipu $(B)/libquipu.so $(PLUGIN_FILES)

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(LIBBASE): $(BASE_OBJ)
$(LIBSDK): $(SDK_OBJ) $(OS_OBJ)
$(LIBSTORAGE): $(STORAGE_OBJ)
$(LIBCORE): $(CORE_OBJ)
$(B)/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/libquipu.so: $(CORE_OBJ) $(LIBSDK) $(LIBBASE)
	$(CC) $(LDFLAGS) $(SHARED) -Wl,-soname,libquipu.so.0 -o $@ $^ $(SDK_LIBS) $(BASE_LIBS) -ldl
	@ln -sf libquipu.so $(B)/libquipu.so.0

$(B)/quipu: $(CLI_OBJ) $(LIBSDK) $(LIBBASE) $(B)/libquipu.so
	$(CC) $(LDFLAGS) -pie -Wl,-rpath,'$$ORIGIN:$$ORIGIN/../lib' -o $@ $(CLI_OBJ) $(LIBSDK) $(LIBBASE) -L$(B) -lquipu $(SDK_LIBS) $(BASE_LIBS)

# Plugins: one symbol is exported; OpenBLAS keeps threads, so what links it stays resident (-z nodelete).
define plugin_rule
$(B)/plugins/$(1).so: $(call objects,$(wildcard plugins/$(1)/*.c)) $$(if $$(filter git,$(1)),$(LIBSTORAGE)) $(LIBSDK) $(LIBBASE)
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS) $$(SHARED) -Wl,--version-script=plugins/sdk/plugin.map -Wl,-z,nodelete -o $$@ $$^ $$(if $$(filter git,$(1)),$(STORAGE_LIBS)) $(SDK_LIBS) $(BASE_LIBS)
endef
$(foreach p,$(PLUGINS),$(eval $(call plugin_rule,$(p))))

# ---- tests ----

# A file tests/FOLDER/test_X.c is one cmocka program, tests/FOLDER/test_X.sh one script; T=test_X runs just that one (or several).
# Code that several test programs share lives in tests/support/. Other makefiles add what tests need to MUTANTS and EXAMPLES.
T ?=
TEST_C    := $(wildcard tests/*/test_*.c)
TEST_SH   := $(wildcard tests/*/test_*.sh)
ifneq ($(T),)
TEST_C    := $(foreach t,$(T),$(filter %/$(t).c,$(TEST_C)))
TEST_SH   := $(foreach t,$(T),$(filter %/$(t).sh,$(TEST_SH)))
endif
TEST_PROGRAMS := $(patsubst %.c,$(B)/tests/%,$(notdir $(TEST_C)))
LIBTEST   := $(B)/lib/libtest.a
TEST_ARCHIVES ?= $(LIBTEST) $(LIBCORE) $(LIBSTORAGE) $(LIBSDK) $(LIBBASE)
TEST_LIBS := -lcmocka $(STORAGE_LIBS) $(SDK_LIBS) $(BASE_LIBS) -ldl

-include tests/mutants/mutants.mk
-include examples/examples.mk

$(LIBTEST): $(call objects,$(wildcard tests/support/*.c))

define test_rule
$(B)/tests/$(basename $(notdir $(1))): $(call objects,$(1)) $(TEST_ARCHIVES)
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS) -pie -o $$@ $$^ $$(TEST_LIBS)
endef
$(foreach t,$(wildcard tests/*/test_*.c),$(eval $(call test_rule,$(t))))

.PHONY: test test-programs
test-programs: $(TEST_PROGRAMS) $(if $(T),$(if $(TEST_SH),all $(MUTANTS) $(EXAMPLES)),all $(MUTANTS) $(EXAMPLES))
$(B)/tests/runner: $(call objects,tests/runner.c)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -pie -o $@ $^

# Seconds that one test program may take.
TEST_LIMIT ?= $(if $(SAN),400,120)
JOBS ?= 2
RUN_TESTS = env QUIPU=$(abspath $(B))/quipu BUILD=$(abspath $(B)) SOURCE=$(CURDIR) CC="$(CC)" SAN="$(SAN)" \
	$(B)/tests/runner -j $(JOBS) -l $(TEST_LIMIT)

test: test-programs $(B)/tests/runner
	@$(RUN_TESTS) $(TEST_PROGRAMS) $(TEST_SH)

clean:
	rm -rf $(B)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
