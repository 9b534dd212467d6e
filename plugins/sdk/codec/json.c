/*
 * json.c - the strict parser. It builds cJSON's tree itself: cJSON's own parser cuts numbers at 63 bytes, strings at
 * \u0000, and lets much pass that RFC 8259 does not.
 */
#include <sdk/json.h>

#include <base/fail.h>
#include <quipu/record.h>
#include <stdlib.h>

/* Where the parser stands on one level of nesting; for the path in errors. */
typedef struct level {
    const char *key; /* of the member at hand; NULL: in an array, or between two members */
    size_t index;    /* of the element at hand, in an array */
    bool list;
} level;

typedef struct parser {
    const char *text;
    size_t len;
    size_t at;
    level levels[QUIPU_DEPTH_MAX];
    size_t depth;
    quipu_error *error;
} parser;

static void path_append(buffer *path, const level *levels, size_t depth)
{
    for (size_t i = 0; i < depth; i++) {
        if (levels[i].list) {
            buffer_printf(path, "[%zu]", levels[i].index);
        } else if (levels[i].key) {
            if (path->len)
                buffer_append_char(path, '.');
            buffer_append_text(path, levels[i].key);
        }
    }
}

static int32_t refuse_at(parser *p, size_t offset, const char *what)
{
    buffer path = { 0 };
    path_append(&path, p->levels, p->depth);
    fail(p->error, QUIPU_E_INVALID, path.bytes, "not valid JSON: %s at byte %zu", what, offset);
    buffer_free(&path);
    return QUIPU_E_INVALID;
}

static int32_t no_memory(parser *p)
{
    return fail(p->error, QUIPU_E_NO_MEMORY, NULL, "no memory to read JSON of %zu bytes", p->len);
}

static void skip_blanks(parser *p)
{
    while (p->at < p->len &&
           (p->text[p->at] == ' ' || p->text[p->at] == '\n' || p->text[p->at] == '\t' || p->text[p->at] == '\r'))
        p->at++;
}

/* The byte at hand, or -1 at the end. */
static int look(const parser *p)
{
    return p->at < p->len ? (unsigned char)p->text[p->at] : -1;
}

/* Four hexadecimal digits at `at`, or -1. */
static int32_t hex4(const parser *p, size_t at)
{
    int32_t value = 0;
    if (p->len - at < 4)
        return -1;
    for (size_t i = at; i < at + 4; i++) {
        char c = p->text[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* \uXXXX, the cursor behind the u; a surrogate takes its other half with it. */
static int32_t parse_unicode(parser *p, char **out)
{
    size_t begin = p->at - 2;
    int32_t unit = hex4(p, p->at);
    if (unit < 0)
        return refuse_at(p, begin, "\\u without four hexadecimal digits");
    if (unit == 0)
        return refuse_at(p, begin, "\\u0000 (a NUL cannot be stored)");
    p->at += 4;
    uint32_t point = (uint32_t)unit;
    if (unit >= 0xd800 && unit <= 0xdfff) {
        int32_t second = -1;
        if (unit < 0xdc00 && p->len - p->at >= 6 && p->text[p->at] == '\\' && p->text[p->at + 1] == 'u')
            second = hex4(p, p->at + 2);
        if (second < 0xdc00 || second > 0xdfff)
            return refuse_at(p, begin, "half of a surrogate pair");
        p->at += 6;
        point = 0x10000u + (((uint32_t)unit - 0xd800u) << 10) + ((uint32_t)second - 0xdc00u);
    }
    *out += utf8_encode(point, *out);
    return QUIPU_OK;
}

static int32_t parse_escape(parser *p, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    p->at++;
    int c = look(p);
    if (c == 'u') {
        p->at++;
        return parse_unicode(p, out);
    }
    const char *found = c > 0 ? strchr(from, c) : NULL;
    if (!found)
        return refuse_at(p, p->at - 1, "an unknown escape in a string");
    *(*out)++ = to[found - from];
    p->at++;
    return QUIPU_OK;
}

/* The byte after the string's closing quote, or where it stops being a string. */
static size_t string_end(const parser *p)
{
    size_t at = p->at + 1;
    while (at < p->len && p->text[at] != '"')
        at += p->text[at] == '\\' ? 2 : 1;
    return at < p->len ? at : p->len;
}

/* A string, decoded into memory of cJSON's allocator. The decoded form is never longer than its source. */
static int32_t parse_string(parser *p, char **result)
{
    size_t begin = p->at;
    size_t end = string_end(p);
    char *text = cJSON_malloc(end - begin + 1), *out = text;
    int32_t code = QUIPU_OK;
    if (!text)
        return no_memory(p);
    p->at++;
    while (code == QUIPU_OK) {
        int c = look(p);
        if (c == '"') {
            p->at++;
            *out = '\0';
            *result = text;
            return QUIPU_OK;
        }
        if (c == '\\') {
            code = parse_escape(p, &out);
        } else if (c < 0) {
            code = refuse_at(p, begin, "a string without its closing quote");
        } else if (c < 0x20) {
            code = refuse_at(p, p->at, "a control character in a string (write it as an escape)");
        } else {
            size_t size = utf8_sequence(p->text + p->at, p->len - p->at);
            if (size == 0)
                code = refuse_at(p, p->at, "bytes that are not UTF-8");
            for (; size > 0; size--)
                *out++ = p->text[p->at++];
        }
    }
    cJSON_free(text);
    return code;
}

static int32_t parse_number(parser *p, cJSON **out)
{
    size_t len = json_number_len(p->text + p->at, p->len - p->at);
    if (len == 0)
        return refuse_at(p, p->at, "a number in a form that JSON does not have");
    quipu_str text = str_make(p->text + p->at, len);
    double value;
    if (!json_number_value(text, &value))
        return refuse_at(p, p->at, "a number that is too large for a double");
    cJSON *node = cJSON_CreateNull();
    if (!node)
        return no_memory(p);
    node->type = cJSON_Raw;
    node->valuestring = cJSON_malloc(len + 1);
    if (!node->valuestring) {
        cJSON_Delete(node);
        return no_memory(p);
    }
    memcpy(node->valuestring, text.ptr, len);
    node->valuestring[len] = '\0';
    p->at += len;
    *out = node;
    return QUIPU_OK;
}

static int32_t parse_word(parser *p, cJSON **out)
{
    static const struct {
        const char *word;
        size_t len;
        int type;
    } words[] = { { "true", 4, cJSON_True }, { "false", 5, cJSON_False }, { "null", 4, cJSON_NULL } };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (p->len - p->at < words[i].len || memcmp(p->text + p->at, words[i].word, words[i].len) != 0)
            continue;
        p->at += words[i].len;
        *out = cJSON_CreateNull();
        if (!*out)
            return no_memory(p);
        (*out)->type = words[i].type;
        return QUIPU_OK;
    }
    return refuse_at(p, p->at,
                     p->at < p->len ? "something that is no JSON value" : "the text ends where a value is due");
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* The later one of two members with the same key, or NULL. Few members are compared each with each, many are sorted. */
static int32_t find_duplicate(const cJSON *object, const cJSON **out)
{
    size_t count = 0;
    const cJSON *a, *b;
    *out = NULL;
    for (a = object->child; a; a = a->next)
        count++;
    if (count <= 16) {
        for (a = object->child; a; a = a->next)
            for (b = a->next; b; b = b->next)
                if (strcmp(a->string, b->string) == 0)
                    *out = b;
        return QUIPU_OK;
    }
    const cJSON **members = malloc(count * sizeof *members);
    if (!members)
        return QUIPU_E_NO_MEMORY;
    count = 0;
    for (a = object->child; a; a = a->next)
        members[count++] = a;
    qsort(members, count, sizeof *members, by_key);
    for (size_t i = 1; i < count && !*out; i++)
        if (strcmp(members[i - 1]->string, members[i]->string) == 0)
            *out = members[i]->valuedouble > members[i - 1]->valuedouble ? members[i] : members[i - 1];
    free(members);
    return QUIPU_OK;
}

/* While its object is being read, a member's valuedouble (0 in all of our nodes) holds the offset of its key. */
static int32_t check_members(parser *p, cJSON *object)
{
    const cJSON *twice = NULL;
    int32_t code = find_duplicate(object, &twice);
    if (code != QUIPU_OK)
        return no_memory(p);
    if (twice) {
        p->levels[p->depth - 1].key = twice->string;
        return refuse_at(p, (size_t)twice->valuedouble, "a key that occurs twice in one object");
    }
    for (cJSON *member = object->child; member; member = member->next)
        member->valuedouble = 0;
    return QUIPU_OK;
}

static int32_t parse_value(parser *p, cJSON **out);

static int32_t parse_member(parser *p, cJSON *object)
{
    level *here = &p->levels[p->depth - 1];
    size_t offset = p->at;
    cJSON *value = NULL;
    char *key = NULL;
    if (look(p) != '"')
        return refuse_at(p, p->at, "a key in quotes is due");
    int32_t code = parse_string(p, &key);
    if (code != QUIPU_OK)
        return code;
    here->key = key;
    skip_blanks(p);
    if (look(p) != ':') {
        code = refuse_at(p, p->at, "a colon is due");
    } else {
        p->at++;
        skip_blanks(p);
        code = parse_value(p, &value);
    }
    here->key = NULL;
    if (code != QUIPU_OK) {
        cJSON_free(key);
        return code;
    }
    value->string = key;
    value->valuedouble = (double)offset;
    cJSON_AddItemToArray(object, value);
    return QUIPU_OK;
}

static int32_t parse_element(parser *p, cJSON *list)
{
    cJSON *value = NULL;
    int32_t code = parse_value(p, &value);
    if (code != QUIPU_OK)
        return code;
    cJSON_AddItemToArray(list, value);
    p->levels[p->depth - 1].index++;
    return QUIPU_OK;
}

/* The members or elements up to the closing bracket; the cursor is behind the opening one. */
static int32_t parse_items(parser *p, cJSON *container, bool list)
{
    int close = list ? ']' : '}';
    skip_blanks(p);
    if (look(p) == close) {
        p->at++;
        return QUIPU_OK;
    }
    for (;;) {
        int32_t code = list ? parse_element(p, container) : parse_member(p, container);
        if (code != QUIPU_OK)
            return code;
        skip_blanks(p);
        int c = look(p);
        if (c != ',' && c != close)
            return refuse_at(p, p->at, list ? "a comma or ] is due" : "a comma or } is due");
        p->at++;
        if (c == close)
            return list ? QUIPU_OK : check_members(p, container);
        skip_blanks(p);
    }
}

static int32_t parse_container(parser *p, cJSON **out)
{
    bool list = p->text[p->at] == '[';
    if (p->depth == QUIPU_DEPTH_MAX)
        return refuse_at(p, p->at, "nesting deeper than 64 levels");
    cJSON *container = list ? cJSON_CreateArray() : cJSON_CreateObject();
    if (!container)
        return no_memory(p);
    p->levels[p->depth++] = (level){ .list = list };
    p->at++;
    int32_t code = parse_items(p, container, list);
    p->depth--;
    if (code != QUIPU_OK) {
        cJSON_Delete(container);
        return code;
    }
    *out = container;
    return QUIPU_OK;
}

static int32_t parse_value(parser *p, cJSON **out)
{
    int c = look(p);
    if (c == '{' || c == '[')
        return parse_container(p, out);
    if (c == '-' || (c >= '0' && c <= '9'))
        return parse_number(p, out);
    if (c != '"')
        return parse_word(p, out);
    cJSON *node = cJSON_CreateNull();
    if (!node)
        return no_memory(p);
    node->type = cJSON_String;
    int32_t code = parse_string(p, &node->valuestring);
    if (code != QUIPU_OK) {
        cJSON_Delete(node);
        return code;
    }
    *out = node;
    return QUIPU_OK;
}

int32_t json_parse(quipu_str text, cJSON **out, quipu_error *error)
{
    parser p = { .text = text.ptr, .len = (size_t)text.len, .error = error };
    cJSON *tree = NULL;
    *out = NULL;
    if (!text.ptr)
        return fail(error, QUIPU_E_INVALID, NULL, "not valid JSON: there is no text");
    if (text.len > JSON_TEXT_MAX)
        return fail(error, QUIPU_E_TOO_LARGE, NULL, "JSON of %zu bytes; at most %u are read", p.len, JSON_TEXT_MAX);
    skip_blanks(&p);
    int32_t code = parse_value(&p, &tree);
    if (code != QUIPU_OK)
        return code;
    skip_blanks(&p);
    if (p.at < p.len) {
        cJSON_Delete(tree);
        return refuse_at(&p, p.at, "something after the value");
    }
    *out = tree;
    return QUIPU_OK;
}

static int32_t refuse_node(parser *p, const char *what)
{
    buffer path = { 0 };
    path_append(&path, p->levels, p->depth);
    fail(p->error, QUIPU_E_INVALID, path.bytes, "not valid as JSON: %s", what);
    buffer_free(&path);
    return QUIPU_E_INVALID;
}

static int32_t check_node(parser *p, const cJSON *node);

static int32_t check_children(parser *p, const cJSON *node)
{
    bool list = cJSON_IsArray(node);
    const cJSON *twice = NULL;
    if (p->depth == QUIPU_DEPTH_MAX)
        return refuse_node(p, "nesting deeper than 64 levels");
    p->levels[p->depth++] = (level){ .list = list };
    for (const cJSON *child = node->child; child; child = child->next) {
        p->levels[p->depth - 1].key = NULL;
        if (!list && !child->string)
            return refuse_node(p, "a member without a key");
        if (!list && utf8_first_bad(child->string, strlen(child->string)) >= 0)
            return refuse_node(p, "a key that is not UTF-8");
        p->levels[p->depth - 1].key = child->string;
        int32_t code = check_node(p, child);
        if (code != QUIPU_OK)
            return code;
        p->levels[p->depth - 1].index++;
    }
    p->levels[p->depth - 1].key = NULL;
    if (!list && find_duplicate(node, &twice) != QUIPU_OK)
        return fail(p->error, QUIPU_E_NO_MEMORY, NULL, "no memory to check a JSON tree");
    if (twice) {
        p->levels[p->depth - 1].key = twice->string;
        return refuse_node(p, "a key that occurs twice in one object");
    }
    p->depth--;
    return QUIPU_OK;
}

static int32_t check_node(parser *p, const cJSON *node)
{
    double value;
    switch (node->type & 0xff) {
    case cJSON_Object:
    case cJSON_Array:
        return check_children(p, node);
    case cJSON_String:
        if (!node->valuestring || utf8_first_bad(node->valuestring, strlen(node->valuestring)) >= 0)
            return refuse_node(p, "a text that is not UTF-8");
        return QUIPU_OK;
    case cJSON_Raw:
    case cJSON_Number:
        return json_is_number(node, &value) ? QUIPU_OK
                                            : refuse_node(p, "a number that is not finite or not well formed");
    case cJSON_True:
    case cJSON_False:
    case cJSON_NULL:
        return QUIPU_OK;
    default:
        return refuse_node(p, "a node of no JSON type");
    }
}

int32_t json_check_tree(const cJSON *tree, quipu_error *error)
{
    parser p = { .error = error };
    return check_node(&p, tree);
}
