/*
 * json_number.c - numbers as source text: their grammar, their value, nodes made of them.
 *
 * strtod and printf obey the process's locale, which belongs to the host; the calls here run under the "C" locale.
 */
#include <sdk/json.h>

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static locale_t c_locale;

static void make_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* Switches this thread to the "C" locale; give what it returns to leave_c_locale. */
static locale_t enter_c_locale(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_locale);
    return uselocale(c_locale);
}

static void leave_c_locale(locale_t before)
{
    uselocale(before);
}

static size_t digits(const char *text, size_t at, size_t len)
{
    size_t begin = at;
    while (at < len && text[at] >= '0' && text[at] <= '9')
        at++;
    return at - begin;
}

size_t json_number_len(const char *text, size_t len)
{
    size_t at = len > 0 && text[0] == '-' ? 1 : 0;
    size_t count = digits(text, at, len);
    if (count == 0 || (count > 1 && text[at] == '0'))
        return 0;
    at += count;
    if (at < len && text[at] == '.') {
        count = digits(text, at + 1, len);
        if (count == 0)
            return 0;
        at += 1 + count;
    }
    if (at < len && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        if (at < len && (text[at] == '+' || text[at] == '-'))
            at++;
        count = digits(text, at, len);
        if (count == 0)
            return 0;
        at += count;
    }
    return at;
}

/* Integers of at most 15 digits, which are exact as doubles. */
static bool small_integer(quipu_str text, double *out)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    size_t begin = negative ? 1 : 0, count = digits(text.ptr, begin, (size_t)text.len);
    if (count == 0 || count > 15 || begin + count != text.len)
        return false;
    int64_t value = 0;
    for (size_t i = begin; i < text.len; i++)
        value = value * 10 + (text.ptr[i] - '0');
    *out = negative ? -(double)value : (double)value;
    return true;
}

bool json_number_value(quipu_str text, double *out)
{
    char small[128], *copy = small;
    if (text.len == 0 || json_number_len(text.ptr, (size_t)text.len) != text.len)
        return false;
    if (small_integer(text, out))
        return true;
    if (text.len >= sizeof small) {
        copy = malloc((size_t)text.len + 1);
        if (!copy)
            return false;
    }
    memcpy(copy, text.ptr, (size_t)text.len);
    copy[text.len] = '\0';
    locale_t before = enter_c_locale();
    double value = strtod(copy, NULL);
    leave_c_locale(before);
    if (copy != small)
        free(copy);
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

bool json_integer_value(quipu_str text, int64_t *out)
{
    char copy[24];
    size_t begin = text.len > 0 && text.ptr[0] == '-' ? 1 : 0;
    if (text.len > 20 || text.len == begin || digits(text.ptr, begin, (size_t)text.len) + begin != text.len)
        return false;
    memcpy(copy, text.ptr, (size_t)text.len);
    copy[text.len] = '\0';
    int saved = errno;
    errno = 0;
    int64_t value = strtoll(copy, NULL, 10);
    bool fits = errno == 0;
    errno = saved;
    if (fits)
        *out = value;
    return fits;
}

bool json_is_number(const cJSON *node, double *out)
{
    if (node && cJSON_IsRaw(node) && node->valuestring)
        return json_number_value(str_of(node->valuestring), out);
    if (!node || !cJSON_IsNumber(node) || !isfinite(node->valuedouble))
        return false;
    *out = node->valuedouble;
    return true;
}

bool json_is_int(const cJSON *node, int64_t *out)
{
    double value;
    if (!json_is_number(node, &value))
        return false;
    if (cJSON_IsRaw(node) && json_integer_value(str_of(node->valuestring), out))
        return true;
    /* "1.0" and "1e2" are whole; past 2^53 a double may already be rounded. */
    if (fabs(value) > 9007199254740992.0 || floor(value) < value)
        return false;
    *out = (int64_t)value;
    return true;
}

cJSON *json_number_text(const char *text)
{
    return cJSON_CreateRaw(text);
}

cJSON *json_number_int(int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    return cJSON_CreateRaw(text);
}

bool json_double_text(double value, char out[32])
{
    if (!isfinite(value))
        return false;
    locale_t before = enter_c_locale();
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(out, 32, "%.*g", precision, value);
        if (!islessgreater(strtod(out, NULL), value))
            break;
    }
    leave_c_locale(before);
    return true;
}

cJSON *json_number_double(double value)
{
    char text[32];
    return json_double_text(value, text) ? cJSON_CreateRaw(text) : NULL;
}
