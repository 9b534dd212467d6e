# The tiny backend with one fault each, all from backend_mutant.c: what each check of the validator must catch. The name is that of the
# fault in small letters; a few faults are in how the file is made.
FAULT_NAMES := none note exports imports stack relro textrel constructors tls entry factory negotiation descriptors \
	process_state signals environment threads twice output extensions services truncated longer fields flags error_touched \
	error_empty error_null receipt ids sets destroy stop code again borrowed hits read_only setting as_of deadline \
	half_set change_id unchanged compare scope delete expiry expiry_then order paging search_k stale stats reopen model lost_write \
	lost_update crash hang
# The same with a store on disk, from journal_mutant.c, and an embedder, from embedder_mutant.c.
JOURNAL_FAULT_NAMES := sound io full short interrupted half bits modes folder memory open_once mixed kept fork no_lock stays
EMBEDDER_FAULT_NAMES := well model_changes unit beside odd bad goes_on deaf anything destroyed shared
FAULT_FILES := $(patsubst %,$(B)/mutants/validate/%.so,$(FAULT_NAMES) $(JOURNAL_FAULT_NAMES) $(EMBEDDER_FAULT_NAMES))
MUTANTS += $(FAULT_FILES)

FAULT_upper = $(shell echo $(1) | tr a-z A-Z)
FAULT_MAP := -Wl,--version-script=plugins/sdk/plugin.map
$(FAULT_FILES): FAULT_EXTRA :=
$(B)/mutants/validate/note.so: FAULT_EXTRA := -DWITHOUT_NOTE
$(B)/mutants/validate/exports.so: FAULT_EXTRA := -DWITH_EXPORT
$(B)/mutants/validate/exports.so: FAULT_MAP := -Wl,--version-script=tests/mutants/exports.map
$(B)/mutants/validate/imports.so: FAULT_EXTRA := -DWITH_IMPORT
$(B)/mutants/validate/stack.so: FAULT_EXTRA := -Wl,-z,execstack
$(B)/mutants/validate/relro.so: FAULT_EXTRA := -Wl,-z,norelro
$(B)/mutants/validate/textrel.so: FAULT_EXTRA := -DWITH_TEXTREL -Wl,-z,notext
$(B)/mutants/validate/constructors.so: FAULT_EXTRA := -DWITH_CONSTRUCTOR
$(B)/mutants/validate/tls.so: FAULT_EXTRA := -DWITH_TLS

$(B)/mutants/validate/stays.so: FAULT_EXTRA := -Wl,-z,nodelete

FAULT_SOURCE = tests/mutants/$(if $(filter $(1),$(JOURNAL_FAULT_NAMES)),journal,$(if $(filter $(1),$(EMBEDDER_FAULT_NAMES)),embedder,backend))_mutant.c
$(FAULT_FILES): $(B)/mutants/validate/%.so: $(wildcard tests/mutants/*_mutant.c) examples/tiny_backend.c $(LIBSDK) $(LIBBASE)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(filter-out -Wmissing-prototypes -D_FORTIFY_SOURCE=2,$(CFLAGS)) -O0 -Wno-pedantic -Wno-unused \
		-DFAULT=FAULT_$(call FAULT_upper,$*) $(LDFLAGS) $(SHARED) $(FAULT_MAP) $(FAULT_EXTRA) -o $@ $(call FAULT_SOURCE,$*) $(LIBSDK) $(LIBBASE) \
		$(SDK_LIBS) $(BASE_LIBS)
	@chmod go-w $@ $(@D)
