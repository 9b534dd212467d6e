# The fuzz targets: tests/fuzz/fuzz_X.c with the inputs of tests/fuzz/corpus/X/. tests/fuzz/test_corpus.sh runs them over these;
# `make fuzz` searches for new ones with clang's libFuzzer and leaves a finding as $(B)/fuzz-found/X-KIND-HASH.

FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_REPLAY := $(FUZZ_NAMES:%=$(B)/fuzz/fuzz_%)
FUZZ_SECONDS ?= 20

# fuzz_commit reads messages as the git backend does.
FUZZ_OBJ := $(call objects,plugins/git/message.c plugins/git/edits.c plugins/git/edits_file.c)
# LIBFUZZER=1 is set by `make fuzz`.
FUZZ_MAIN := $(if $(LIBFUZZER),,$(call objects,tests/fuzz/replay.c))
$(FUZZ_REPLAY): $(B)/fuzz/fuzz_%: $(B)/obj/tests/fuzz/fuzz_%.o $(FUZZ_MAIN) $(FUZZ_OBJ) $(LIBSERVE) $(LIBCORE) $(LIBSTORAGE) $(LIBSDK) $(LIBBASE)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $(if $(LIBFUZZER),-fsanitize=fuzzer) -pie -o $@ $^ $(SERVE_LIBS) $(STORAGE_LIBS) $(SDK_LIBS) $(BASE_LIBS) -ldl

# Found inputs are kept from run to run in $(B)/fuzz-corpus; FUZZ="json wire" searches with these only.
FUZZ ?= $(FUZZ_NAMES)
FUZZ_B := $(B)/libfuzzer
.PHONY: fuzz fuzz-run
fuzz:
	@if echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' | \
		clang -fsanitize=fuzzer,address,undefined -x c -o /dev/null - 2>/dev/null; then \
		$(MAKE) --no-print-directory CC=clang SAN=address,undefined LIBFUZZER=1 CFLAGS=-fsanitize=fuzzer-no-link \
			B=$(FUZZ_B) FOUND=$(abspath $(B))/fuzz-found CORPUS=$(abspath $(B))/fuzz-corpus fuzz-run; \
	else echo "make fuzz: skipped, it needs clang with its fuzzer runtime (libFuzzer)"; fi
fuzz-run: $(FUZZ:%=$(B)/fuzz/fuzz_%) $(B)/plugins/memory.so
	@BUILD=$(abspath $(B)) FOUND=$(FOUND) CORPUS=$(CORPUS) $(SANITIZER_ENV) sh tests/fuzz/search.sh $(FUZZ_SECONDS) $(FUZZ)
