/*
 * record_time.c - RFC 3339 in and out. Years 0000 to 9999 of the proleptic Gregorian calendar, no leap seconds.
 */
#include "record_normalise.h"

#include <base/fail.h>

#define MICROSECONDS 1000000
#define DAY_SECONDS 86400

/* Days from 1970-01-01. March is the first month of the computed year, so that the leap day comes last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t month_days(int64_t year, int64_t month)
{
    static const int8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

typedef struct reader {
    const char *at;
    const char *end;
} reader;

/* Exactly `count` digits, or -1. */
static int64_t read_digits(reader *r, int count)
{
    int64_t value = 0;
    for (; count > 0; count--) {
        if (r->at == r->end || *r->at < '0' || *r->at > '9')
            return -1;
        value = value * 10 + (*r->at++ - '0');
    }
    return value;
}

static bool read_char(reader *r, const char *either)
{
    if (r->at == r->end || *r->at == '\0' || !strchr(either, *r->at))
        return false;
    r->at++;
    return true;
}

static bool read_date(reader *r, int64_t *days)
{
    int64_t year = read_digits(r, 4), month = -1, day = -1;
    if (year >= 0 && read_char(r, "-"))
        month = read_digits(r, 2);
    if (month >= 1 && month <= 12 && read_char(r, "-"))
        day = read_digits(r, 2);
    if (day < 1 || day > month_days(year, month))
        return false;
    *days = days_of(year, month, day);
    return true;
}

/* One to nine digits behind the point; what is finer than a microsecond is cut off. */
static bool read_fraction(reader *r, int64_t *micros)
{
    int count = 0;
    *micros = 0;
    if (!read_char(r, "."))
        return true;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++, count++)
        if (count < 6)
            *micros = *micros * 10 + (*r->at - '0');
    for (int i = count; i < 6; i++)
        *micros *= 10;
    return count >= 1 && count <= 9;
}

static bool read_offset(reader *r, int64_t *seconds)
{
    *seconds = 0;
    if (read_char(r, "Zz"))
        return true;
    int64_t sign = r->at < r->end && *r->at == '-' ? -1 : 1;
    if (!read_char(r, "+-"))
        return false;
    int64_t hours = read_digits(r, 2);
    if (hours < 0 || hours > 23 || !read_char(r, ":"))
        return false;
    int64_t minutes = read_digits(r, 2);
    *seconds = sign * (hours * 3600 + minutes * 60);
    return minutes >= 0 && minutes <= 59;
}

static bool read_clock(reader *r, int64_t *seconds, int64_t *micros)
{
    int64_t hour = -1, minute = -1, second = -1, offset = 0;
    if (read_char(r, "Tt"))
        hour = read_digits(r, 2);
    if (hour >= 0 && hour <= 23 && read_char(r, ":"))
        minute = read_digits(r, 2);
    if (minute >= 0 && minute <= 59 && read_char(r, ":"))
        second = read_digits(r, 2);
    if (second < 0 || second > 59 || !read_fraction(r, micros) || !read_offset(r, &offset))
        return false;
    *seconds = hour * 3600 + minute * 60 + second - offset;
    return true;
}

bool time_in_range(int64_t time)
{
    return time >= days_of(0, 1, 1) * DAY_SECONDS * MICROSECONDS &&
           time < days_of(10000, 1, 1) * DAY_SECONDS * MICROSECONDS;
}

int32_t time_parse(quipu_str text, const char *field, bool *date, int64_t *out, quipu_error *error)
{
    reader r = { text.ptr, text.ptr ? text.ptr + text.len : NULL };
    int64_t days = 0, seconds = 0, micros = 0;
    bool good = text.ptr && read_date(&r, &days);
    bool only_date = good && r.at == r.end;
    if (date)
        *date = only_date;
    if (good && !(only_date && date))
        good = read_clock(&r, &seconds, &micros) && r.at == r.end;
    int64_t time = (days * DAY_SECONDS + seconds) * MICROSECONDS + micros;
    if (!good || !time_in_range(time))
        return fail(error, QUIPU_E_INVALID, field, "not a time; write it as RFC 3339, such as %s",
                    date ? "2026-05-01T09:30:00Z or 2026-05-01" : "2026-05-01T09:30:00Z");
    *out = time;
    return QUIPU_OK;
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static void write_digits(char *to, int64_t value, int count)
{
    for (; count > 0; value /= 10)
        to[--count] = (char)('0' + value % 10);
}

void time_print(int64_t time, buffer *out)
{
    int64_t seconds = floor_divide(time, MICROSECONDS);
    int64_t micros = time - seconds * MICROSECONDS;
    int64_t days = floor_divide(seconds, DAY_SECONDS);
    int64_t clock = seconds - days * DAY_SECONDS;
    int64_t shifted = days + 719468; /* from 0000-03-01 */
    int64_t era = floor_divide(shifted, 146097);
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * march_month + 2) / 5 + 1;
    int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);
    char text[] = "0000-00-00T00:00:00.000000Z";
    write_digits(text, year, 4);
    write_digits(text + 5, month, 2);
    write_digits(text + 8, day, 2);
    write_digits(text + 11, clock / 3600, 2);
    write_digits(text + 14, clock / 60 % 60, 2);
    write_digits(text + 17, clock % 60, 2);
    write_digits(text + 20, micros, 6);
    buffer_append(out, text, micros == 0 ? 19 : micros % 1000 == 0 ? 23 : 26);
    buffer_append_char(out, 'Z');
}
