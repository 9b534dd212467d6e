# structs.awk - lists what the public headers lay out: `struct NAME FIELD` for each field, in order, and
# `constant NAME` or `text NAME` for each macro that stands for a number or a string.
# awk -f words.awk -f structs.awk HEADER...

function field_name(part) {
    if (match(part, /\(\*[a-z_0-9]+\)/))
        return substr(part, RSTART + 2, RLENGTH - 3)
    sub(/\[.*/, "", part)
    part = trim(part)
    match(part, /[A-Za-z_0-9]+$/)
    return substr(part, RSTART, RLENGTH)
}

function print_fields(name, body,    count, i, k, parts, pieces, pieces_count) {
    count = split(body, parts, ";")
    for (i = 1; i <= count; i++) {
        if (trim(parts[i]) == "")
            continue
        if (parts[i] ~ /\(\*/) {
            print "struct", name, field_name(parts[i])
            continue
        }
        pieces_count = split(parts[i], pieces, ",")
        for (k = 1; k <= pieces_count; k++)
            print "struct", name, field_name(pieces[k])
    }
}

function print_structs(text,    name, end) {
    while (match(text, /struct +[a-z_0-9]+[ \n]*\{/)) {
        name = substr(text, RSTART, RLENGTH)
        sub(/^struct +/, "", name)
        sub(/[ \n]*\{$/, "", name)
        text = substr(text, RSTART + RLENGTH)
        end = index(text, "}")
        print_fields(name, substr(text, 1, end - 1))
        text = substr(text, end + 1)
    }
}

function print_macros(path,    line, words) {
    while ((getline line < path) > 0)
        if (match(line, /^#define [A-Z_0-9]+ /)) {
            split(line, words, " ")
            sub(/^#define [A-Z_0-9]+ +/, "", line)
            if (line ~ /^"/)
                print "text", words[2]
            else if (line ~ /^[0-9(]/ || line ~ /^(INT64_MIN|QUIPU_ABI_MAKE)/)
                print "constant", words[2]
        }
    close(path)
}

BEGIN {
    for (f = 1; f < ARGC; f++) {
        print_structs(without_comments(read_header(ARGV[f])))
        print_macros(ARGV[f])
    }
}
