# Tests with real models: `make test-models` fetches what they need into $(B)/models and runs them.

MODEL_DRIVER := $(B)/tests/model_driver
$(MODEL_DRIVER): $(call objects,tests/models/driver.c $(filter-out %/embed_bert.c %/embed_static.c,$(wildcard plugins/embed_bert/*.c plugins/embed_static/*.c))) $(LIBSDK) $(LIBBASE)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -pie -o $@ $^ $(SDK_LIBS) $(BASE_LIBS)

.PHONY: test-models
test-models:
	@sh tests/models/fetch.sh $(abspath $(B))/models
	@$(MAKE) --no-print-directory test T='test_minilm test_static'
