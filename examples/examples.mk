# The examples, built by `make examples` and run by tests/cli/test_examples.sh.

EXAMPLES := $(B)/examples/plugins/tiny_backend.so $(B)/examples/tiny_host
# Rust is optional, and its linker knows nothing of a sanitizer's runtime.
ifeq ($(SAN),)
ifneq ($(shell rustc --version 2>/dev/null),)
EXAMPLES += $(B)/examples/rust_host
endif
endif

.PHONY: examples
examples: $(EXAMPLES)

# As the plugins' own rule: one symbol, everything bound at once, whole.
$(B)/examples/plugins/tiny_backend.so: $(B)/obj/examples/tiny_backend.o $(LIBSDK) $(LIBBASE)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $(SHARED) -Wl,--version-script=plugins/sdk/plugin.map -Wl,-z,nodelete -o $@ $^ $(SDK_LIBS) $(BASE_LIBS)
	@chmod go-w $@ $(@D)

# A host needs the public header and the shared library, nothing else.
$(B)/examples/tiny_host: $(B)/obj/examples/tiny_host.o $(B)/libquipu.so
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -pie -Wl,-rpath,'$$ORIGIN/..' -o $@ $< -L$(B) -lquipu

$(B)/examples/rust_host: examples/rust_host/main.rs $(B)/libquipu.so
	@mkdir -p $(@D)
	$(call say,RUSTC,$@)
	$(Q)env -u MAKEFLAGS -u MFLAGS rustc --edition 2021 -O -o $@ $< -L $(B) -l quipu -C link-arg='-Wl,-rpath,$$ORIGIN/..'

-include tests/mutants/validate.mk
