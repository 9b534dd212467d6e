# Tiny plugins with one fault each, all from mutant.c; `good` and `replaceable` have none.
MUTANT_NAMES := good no_entry wrong_magic newer_major truncated_entry oversized_entry size_lies unknown_flag \
	missing_slots half_group half_history no_note note_differs bad_utf8 two_names bad_name bad_stride \
	truncated_table table_flag embedder_slot offers_nothing init_fails init_chooses create_lies open_positive \
	open_silent many not_fork_safe replaceable
MUTANTS += $(MUTANT_NAMES:%=$(B)/mutants/%.so)

$(MUTANT_NAMES:%=$(B)/mutants/%.so): $(B)/mutants/%.so: tests/mutants/mutant.c $(wildcard plugin_api/quipu/*.h)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -Wno-unused-function -DMUTANT_$* $(LDFLAGS) $(SHARED) -Wl,--version-script=tests/mutants/mutants.map -o $@ $<
	@chmod go-w $@ $(@D)

# The backend "faulty", for tests/swap/.
SWAP_MUTANT := $(B)/mutants/swap/faulty.so
MUTANTS += $(SWAP_MUTANT)
$(SWAP_MUTANT): tests/mutants/swap_mutant.c examples/tiny_backend.c $(LIBSDK) $(LIBBASE) plugins/sdk/plugin.map
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -Wno-unused-const-variable -Wno-unused-function -Wno-pedantic $(LDFLAGS) $(SHARED) \
		-Wl,--version-script=plugins/sdk/plugin.map -o $@ $< $(LIBSDK) $(LIBBASE) $(SDK_LIBS) $(BASE_LIBS)
	@chmod go-w $@ $(@D)
