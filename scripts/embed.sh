#!/bin/sh
# Prints a C file that holds files as texts: embed.sh NAME=FILE... makes `embedded_files`, an array of {name, text} ended by a row of
# NULL (host_shim/cli/embedded.h).
echo "/* Made by scripts/embed.sh. */"
echo "#include <host_shim/cli/embedded.h>"
echo "#include <stddef.h>"
number=0
for pair in "$@"; do
    echo "static const char text${number}[] = {"
    od -An -v -tx1 "${pair#*=}" | sed 's/ \(..\)/0x\1,/g'
    echo "0 };"
    number=$((number + 1))
done
echo "const embedded_file embedded_files[] = {"
number=0
for pair in "$@"; do
    echo "    { \"${pair%%=*}\", text$number },"
    number=$((number + 1))
done
echo "    { NULL, NULL },"
echo "};"
