# words.awk - helpers for the awk scripts that read the public headers. Plain POSIX awk: a bare machine has mawk.

# The file's text without preprocessor lines (and what they continue to).
function read_header(path,    line, text, continued) {
    text = ""
    continued = 0
    while ((getline line < path) > 0) {
        if (!continued && line !~ /^[ \t]*#/)
            text = text line "\n"
        else {
            text = text "\n"
            continued = (line ~ /\\$/)
        }
    }
    close(path)
    return text
}

# The text with every comment replaced by a blank and the line ends kept.
function without_comments(text,    out, at, end, lines) {
    out = ""
    while ((at = index(text, "/*")) > 0) {
        out = out substr(text, 1, at - 1) " "
        text = substr(text, at + 2)
        end = index(text, "*/")
        if (end == 0)
            return out
        lines = substr(text, 1, end)
        gsub(/[^\n]/, "", lines)
        out = out lines
        text = substr(text, end + 2)
    }
    return out text
}

function trim(s) {
    sub(/^[ \t\n]+/, "", s)
    sub(/[ \t\n]+$/, "", s)
    return s
}

# `path` below include/ or plugin_api/ for messages and for #include: everything up to the root is cut.
function below(path, root) {
    return index(path, root "/") == 1 ? substr(path, length(root) + 2) : path
}
