/* validation.h - a run of the validator on its way to the reader: as text, JSON, TAP, JUnit's XML or a table for documents. */
#ifndef CLI_VALIDATION_H
#define CLI_VALIDATION_H

#include "cli.h"

#include <quipu_validate.h>

enum validation_form { FORM_TEXT, FORM_JSON, FORM_TAP, FORM_JUNIT, FORM_MARKDOWN };

typedef struct validation {
    cli *c;
    enum validation_form form;
    bool list;        /* nothing was run */
    buffer collected; /* what can be printed only at the end */
    char family[32];
    char reason[160];   /* the last one that was printed for a skip: a whole family is often skipped for one reason */
    unsigned counts[6]; /* by outcome */
    unsigned number;    /* of all */
    int64_t milliseconds;
} validation;

/* Says what form the options ask for. False after a report. */
bool validation_form_of(cli *c, enum validation_form *out);
void validation_begin(validation *v);
int32_t validation_take(void *context, const quipu_check_result *result); /* a quipu_check_result_fn */
/* Prints what is left and answers the exit status. */
int validation_end(validation *v);

#endif
