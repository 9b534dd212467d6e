/*
 * schema.h - checks JSON against the part of JSON Schema 2020-12 that the tools' schemas use.
 *
 * Known: type (one name or a list of them), properties, required, additionalProperties (false, or a schema), items, enum (of strings), minimum,
 * maximum, minLength, maxLength, minItems, maxItems. Anything else in a schema, description or default for one, checks nothing.
 */
#ifndef SERVE_MCP_SCHEMA_H
#define SERVE_MCP_SCHEMA_H

#include <cjson/cJSON.h>
#include <quipu/error.h>

/* value: as json_parse gives it. Errors: INVALID, whose field is the path of what is at fault, as "entities[2].name". */
int32_t mcp_schema_check(const cJSON *schema, const cJSON *value, quipu_error *error);

#endif
