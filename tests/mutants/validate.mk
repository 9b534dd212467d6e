# The tiny backend with one fault each, all from backend_mutant.c: what each check of the validator must catch. The name is that of the
# fault in small letters; a few faults are in how the file is made.
FAULT_NAMES := none note exports imports stack relro textrel constructors tls entry factory negotiation descriptors \
	process_state signals environment threads twice output extensions services truncated longer fields flags error_touched \
	error_empty error_null receipt ids sets destroy stop code again borrowed hits read_only setting as_of deadline \
	half_set change_id unchanged compare scope delete expiry order paging search_k stale stats reopen model lost_write \
	lost_update crash hang
FAULT_FILES := $(FAULT_NAMES:%=$(B)/mutants/validate/%.so)
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

$(FAULT_FILES): $(B)/mutants/validate/%.so: tests/mutants/backend_mutant.c examples/tiny_backend.c $(LIBSDK) $(LIBBASE)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(filter-out -Wmissing-prototypes -D_FORTIFY_SOURCE=2,$(CFLAGS)) -O0 -Wno-pedantic \
		-DFAULT=FAULT_$(call FAULT_upper,$*) $(LDFLAGS) $(SHARED) $(FAULT_MAP) $(FAULT_EXTRA) -o $@ $< $(LIBSDK) $(LIBBASE) \
		$(SDK_LIBS) $(BASE_LIBS)
	@chmod go-w $@ $(@D)
