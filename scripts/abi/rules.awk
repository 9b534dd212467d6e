# rules.awk - fails where a public header breaks rule A9: fixed-width types only, nothing by value, no foreign include.
# awk -f words.awk -f rules.awk HEADER...

function complain(path, line, what) {
    print path ":" line ": " what
    bad = 1
}

function folder(path) {
    return sub(/\/[^\/]*$/, "", path) ? path : "."
}

function exists(path,    line, found) {
    found = (getline line < path) >= 0
    close(path)
    return found
}

# Only stdint.h, stddef.h and siblings (by "name" beside the header, or by <quipu/name>).
function check_includes(path,    line, number, name) {
    number = 0
    while ((getline line < path) > 0) {
        number++
        if (line !~ /^[ \t]*#[ \t]*include/)
            continue
        if (match(line, /"[^"]*"/)) {
            name = substr(line, RSTART + 1, RLENGTH - 2)
            if (!exists(folder(path) "/" name))
                complain(path, number, "includes \"" name "\", which is not beside it")
        } else if (line !~ /<(stdint|stddef)\.h>/ && line !~ /<quipu[a-z_\/]*\.h>/)
            complain(path, number, "includes something else than stdint.h, stddef.h and its siblings: " line)
    }
    close(path)
}

function check_words(path, number, line,    words, n, i) {
    n = split(line, words, /[^A-Za-z_0-9]+/)
    for (i = 1; i <= n; i++)
        if (words[i] in forbidden)
            complain(path, number, "`" words[i] "` has no fixed width or no fixed meaning (A9)")
    if (line ~ /^[ \t]*(u?int[0-9]+_t|char)[ \t]+[a-z_0-9]+[ \t]*:[ \t]*[0-9]/)
        complain(path, number, "a bit-field (A9)")
}

# Structs cross by pointer; of the types named quipu_..., only functions (quipu_..._fn) may stand without one.
function check_values(path, text,    inside, parts, n, i, part) {
    while (match(text, /\([^()]*\)[ \n]*(QUIPU_NOEXCEPT|;)/)) {
        inside = substr(text, RSTART + 1, RLENGTH - 1)
        text = substr(text, RSTART + RLENGTH)
        sub(/\).*/, "", inside)
        n = split(inside, parts, ",")
        for (i = 1; i <= n; i++) {
            part = trim(parts[i])
            if (part ~ /^(const[ \n]+)?(struct[ \n]+)?quipu_[a-z_0-9]+[ \n]+[a-z_0-9]+$/ && part !~ /_fn[ \n]/)
                complain(path, "?", "`" part "` passes a struct by value (A9)")
        }
    }
}

BEGIN {
    n = split("enum bool _Bool long short int unsigned signed size_t ssize_t ptrdiff_t time_t off_t wchar_t FILE va_list " \
              "intptr_t uintptr_t union", names, " ")
    for (i = 1; i <= n; i++)
        forbidden[names[i]] = 1
    for (f = 1; f < ARGC; f++) {
        check_includes(ARGV[f])
        text = without_comments(read_header(ARGV[f]))
        n = split(text, lines, "\n")
        for (i = 1; i <= n; i++)
            check_words(ARGV[f], i, lines[i])
        check_values(ARGV[f], text)
    }
    exit bad
}
