/* handlers.h - the handlers of Hindsight's wire, by file; the rows are in routes.c. */
#ifndef SERVE_HINDSIGHT_HANDLERS_H
#define SERVE_HINDSIGHT_HANDLERS_H

#include "hindsight.h"

#define HANDLER(name) int32_t name(serve *s, web_request *r, web_answer *a, quipu_error *error)

HANDLER(hindsight_retain); /* retain.c */
HANDLER(hindsight_recall); /* recall.c */
HANDLER(hindsight_reflect);
HANDLER(hindsight_list); /* memories.c */
HANDLER(hindsight_get);
HANDLER(hindsight_change);
HANDLER(hindsight_clear);
HANDLER(hindsight_documents);
HANDLER(hindsight_document);
HANDLER(hindsight_document_drop);
HANDLER(hindsight_tag_list);
HANDLER(hindsight_entities);
HANDLER(hindsight_banks); /* banks.c */
HANDLER(hindsight_profile);
HANDLER(hindsight_profile_set);
HANDLER(hindsight_bank_drop);
HANDLER(hindsight_config);
HANDLER(hindsight_config_set);
HANDLER(hindsight_stats);
HANDLER(hindsight_operations);
HANDLER(hindsight_operation);

#endif
