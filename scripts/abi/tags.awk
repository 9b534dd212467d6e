# tags.awk - fails where a function slot of a table lacks its thread, state or cost tag in the comment before it (rule A13).
# awk -f words.awk -f tags.awk HEADER...

function count_tags(comment, list,    names, n, i, found) {
    found = 0
    n = split(list, names, " ")
    for (i = 1; i <= n; i++)
        if (index(comment, "[" names[i] "]"))
            found++
    return found
}

function complain(path, name, slot, what) {
    print path ": " name "." slot ": " what
    bad = 1
}

function check_slot(path, name, slot, comment) {
    slots++
    if (count_tags(comment, "any-thread main-thread") != 1)
        complain(path, name, slot, "needs one thread tag: [any-thread] or [main-thread]")
    if (count_tags(comment, "loaded inited created open any-state") < 1)
        complain(path, name, slot, "needs a state tag: [loaded], [inited], [created], [open] or [any-state]")
    if (count_tags(comment, "may-block fast") != 1)
        complain(path, name, slot, "needs one cost tag: [may-block] or [fast]")
}

# Walks one struct's body; `comment` is the last one before the declaration at hand.
function check_body(path, name, body,    comment, at, end, stop, declaration) {
    comment = ""
    while (body != "") {
        at = index(body, "/*")
        stop = index(body, ";")
        if (at && (!stop || at < stop)) {
            end = index(body, "*/")
            comment = substr(body, at, end - at)
            body = substr(body, 1, at - 1) " " substr(body, end + 2)
        } else if (stop) {
            declaration = substr(body, 1, stop - 1)
            body = substr(body, stop + 1)
            if (match(declaration, /\(\*[a-z_0-9]+\)/))
                check_slot(path, name, substr(declaration, RSTART + 2, RLENGTH - 3), comment)
            comment = ""
        } else
            body = ""
    }
}

# The first "}" outside a comment.
function body_end(text,    plain, at) {
    plain = text
    while (match(plain, /\/\*([^*]|\*[^\/])*\*\//)) {
        at = substr(plain, RSTART, RLENGTH)
        gsub(/./, " ", at)
        gsub(/\n/, " ", at)
        plain = substr(plain, 1, RSTART - 1) at substr(plain, RSTART + RLENGTH)
    }
    return index(plain, "}")
}

BEGIN {
    for (f = 1; f < ARGC; f++) {
        text = read_header(ARGV[f])
        while (match(text, /struct +[a-z_0-9]+[ \n]*\{/)) {
            name = substr(text, RSTART, RLENGTH)
            sub(/^struct +/, "", name)
            sub(/[ \n]*\{$/, "", name)
            text = substr(text, RSTART + RLENGTH)
            end = body_end(text)
            check_body(ARGV[f], name, substr(text, 1, end - 1))
            text = substr(text, end + 1)
        }
    }
    if (!slots) {
        print "no function slot was found in any table"
        bad = 1
    }
    if (!bad)
        print slots " slots have their tags"
    exit bad
}
