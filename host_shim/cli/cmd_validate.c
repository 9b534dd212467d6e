/* cmd_validate.c - `quipu validate`: does a plugin keep the contract? */
#include "validation.h"

int cmd_validate(cli *c)
{
    validation v = { .c = c, .list = option_given(c, "list") };
    quipu_validate_options options = { .struct_size = sizeof options, .only = str_of(option_text(c, "only")) };
    quipu_error error = error_none();
    uint64_t level, limit;
    int32_t code;
    if (!option_number(c, "level", 1, 5, 1, &level) || !option_number(c, "seed", 0, INT64_MAX, 1, &options.seed) ||
        !option_number(c, "time-limit", 1, 3600, 30, &limit) || !validation_form_of(c, &v.form))
        return STATUS_USAGE;
    if (!v.list && c->argument_count != 1)
        return report_fault(c, QUIPU_E_INVALID, "FILE.so", "name the plugin file to check, or give --list");
    options.level = (uint32_t)level;
    options.time_limit_ms = (uint32_t)limit * 1000;
    options.config = str_of(option_text(c, "settings"));
    validation_begin(&v);
    if (v.list) {
        code = quipu_validate_list(validation_take, &v, &error);
    } else {
        const quipu_str path = str_of(c->arguments[0]);
        code = quipu_validate(&path, &options, validation_take, &v, &error);
    }
    int status = code == QUIPU_OK ? validation_end(&v) : report(c, "cannot validate", &error);
    buffer_free(&v.collected);
    return status;
}
