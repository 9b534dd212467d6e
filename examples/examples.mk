# The examples, built by `make examples` and run by tests/cli/test_examples.sh.

.PHONY: examples
EXAMPLES := $(B)/examples/plugins/tiny_backend.so
examples: $(EXAMPLES)

# As the plugins' own rule: one symbol, everything bound at once, whole.
$(B)/examples/plugins/tiny_backend.so: $(B)/obj/examples/tiny_backend.o $(LIBSDK) $(LIBBASE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(SHARED) -Wl,--version-script=plugins/sdk/plugin.map -Wl,-z,nodelete -o $@ $^ $(SDK_LIBS) $(BASE_LIBS)

-include tests/mutants/validate.mk
