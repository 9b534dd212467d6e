# Compares what the mutants fail (matrix.sh, second file) with what they shall fail (matrix.golden, first file). Prints each
# difference; exit status 1 where there is one.
function words(text, out,   list, n, i) {
    split("", out)
    n = split(text, list, " ")
    for (i = 1; i <= n; i++)
        out[list[i]] = 1
}

function complain(text) {
    print name ": " text
    bad = 1
}

/^#/ { next }
FNR == NR {
    split($0, half, /: */)
    wanted[half[1]] = half[2]
    next
}
{
    name = $0
    sub(/:.*/, "", name)
    sub(/^[^:]*: */, "")
    seen[name] = 1
    words($0, got)
    if (!(name in wanted)) {
        complain("is not in the golden file; it fails " $0)
        next
    }
    split(wanted[name], part, / *\| */)
    own = part[1]
    if (own != "-" && !(own in got))
        complain("its own check " own " does not catch it")
    words(part[2], others)
    for (check in others)
        if (check !~ /^~/ && !(check in got))
            complain("does not fail " check " any more")
    for (check in got)
        if (check != own && !(check in others) && !(("~" check) in others))
            complain("fails " check " as well")
}
END {
    for (name in wanted)
        if (!(name in seen))
            complain("was not tried")
    exit bad
}
