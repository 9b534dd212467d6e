/* words_dates.c - see words_rank_inner.h: dates that a question names, and how well a time fits them. */
#include "words_rank_inner.h"

#include <stdlib.h>
#include <string.h>

#define DAY_MICROSECONDS INT64_C(86400000000)

/* Days since 1970-01-01 of a date in the Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, asked_date *d)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, of_era = days - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), m = (5 * of_year + 2) / 153;
    d->day = (int32_t)(of_year - (153 * m + 2) / 5 + 1);
    d->month = (int32_t)(m + (m < 10 ? 3 : -9));
    d->year = (int32_t)(year + era * 400 + (d->month <= 2));
}

static quipu_str raw(const query *q, size_t i)
{
    if (i >= q->token_count)
        return str_make("", 0);
    return str_make(q->names.bytes + q->tokens[i].raw, q->tokens[i].raw_len);
}

static bool is(quipu_str word, const char *text)
{
    return word.len == strlen(text) && memcmp(word.ptr, text, (size_t)word.len) == 0;
}

static bool is_one_of(quipu_str word, const char *const *texts)
{
    for (; *texts; texts++)
        if (is(word, *texts))
            return true;
    return false;
}

/* 1..12, or 0. */
static int32_t month_of(quipu_str word)
{
    static const char *const months[] = { "january", "february", "march",     "april",   "may",      "june",
                                          "july",    "august",   "september", "october", "november", "december" };
    for (int32_t i = 0; i < 12; i++)
        if (is(word, months[i]) || (word.len == 3 && memcmp(word.ptr, months[i], 3) == 0))
            return i + 1;
    return is(word, "sept") ? 9 : 0;
}

/* A number, "7" or "7th", or 0. */
static int32_t number_of(quipu_str word)
{
    static const char *const endings[] = { "st", "nd", "rd", "th", NULL };
    int32_t n = 0;
    size_t i = 0;
    for (; i < word.len && i < 5 && word.ptr[i] >= '0' && word.ptr[i] <= '9'; i++)
        n = n * 10 + (word.ptr[i] - '0');
    quipu_str rest = str_make(word.ptr + i, (size_t)word.len - i);
    return i > 0 && (rest.len == 0 || is_one_of(rest, endings)) ? n : 0;
}

static bool day_number(int32_t n)
{
    return n >= 1 && n <= 31;
}

/* "may" is mostly not the month. */
static bool means_may(const query *q, size_t i)
{
    static const char *const before[] = { "in", "of", "during", "since", "late", "early", "mid", NULL };
    return (i > 0 && (is_one_of(raw(q, i - 1), before) || number_of(raw(q, i - 1)) > 0)) ||
           number_of(raw(q, i + 1)) > 0;
}

static bool asks_for_a_time(const query *q)
{
    static const char *const which_of[] = { "date", "year", "month", "day", "time", NULL };
    static const char *const spans[] = { "year", "month", NULL };
    quipu_str a = raw(q, 0), b = raw(q, 1), c = raw(q, 2);
    if (is(a, "when"))
        return true;
    if (is(a, "how"))
        return is(b, "long");
    if (is(a, "what") || is(a, "which"))
        return is_one_of(b, which_of);
    return is(a, "in") && (is(b, "which") || is(b, "what")) && is_one_of(c, spans);
}

/* A date around the month at token i. */
static asked_date around_month(const query *q, size_t i, int32_t month)
{
    asked_date d = { .month = month };
    int32_t before = i > 0 ? number_of(raw(q, i - 1)) : 0, after = number_of(raw(q, i + 1));
    if (i > 1 && is(raw(q, i - 1), "of"))
        before = number_of(raw(q, i - 2)); /* "the 7th of May" */
    d.day = day_number(before) ? before : day_number(after) ? after : 0;
    for (size_t j = 1; j <= 3 && !d.year; j++)
        if (number_of(raw(q, i + j)) > 1900)
            d.year = number_of(raw(q, i + j));
    return d;
}

/* "2023-05-07" */
static bool in_numbers(const query *q, size_t i, asked_date *d)
{
    if (raw(q, i).len != 4 || raw(q, i + 1).len != 2 || raw(q, i + 2).len != 2)
        return false;
    *d = (asked_date){ number_of(raw(q, i)), number_of(raw(q, i + 1)), number_of(raw(q, i + 2)) };
    return d->year > 1900 && d->month >= 1 && d->month <= 12 && day_number(d->day);
}

void query_read_dates(query *q)
{
    q->asks_time = asks_for_a_time(q);
    for (size_t i = 0; i < q->token_count && q->date_count < DATES_MAX; i++) {
        int32_t month = month_of(raw(q, i));
        asked_date d;
        if (in_numbers(q, i, &d))
            q->dates[q->date_count++] = d;
        else if (month && (month != 5 || means_may(q, i)))
            q->dates[q->date_count++] = around_month(q, i, month);
    }
}

static double match_day(const asked_date *wanted, const asked_date *is_on, int64_t days)
{
    int64_t difference = days - days_of(wanted->year ? wanted->year : is_on->year, wanted->month, wanted->day);
    if (difference >= -1 && difference <= 2)
        return 1;
    if (difference > 2 && difference <= 10)
        return 0.6;
    return difference >= -31 && difference <= 31 ? 0.2 : 0;
}

static double match_month(const asked_date *wanted, const asked_date *is_on)
{
    if (is_on->month == wanted->month && (!wanted->year || wanted->year == is_on->year))
        return 1;
    return is_on->month == wanted->month % 12 + 1 && is_on->day <= 12 ? 0.4 : 0;
}

double query_date_match(const query *q, int64_t created)
{
    if (created == QUIPU_TIME_NONE)
        return 0;
    int64_t days = created / DAY_MICROSECONDS - (created % DAY_MICROSECONDS < 0);
    asked_date is_on;
    double most = 0;
    date_of(days, &is_on);
    for (size_t i = 0; i < q->date_count; i++) {
        const asked_date *d = &q->dates[i];
        double match = d->day ? match_day(d, &is_on, days) : match_month(d, &is_on);
        most = match > most ? match : most;
    }
    return most;
}
