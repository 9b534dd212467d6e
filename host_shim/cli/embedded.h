/* embedded.h - files that the program carries within itself; build/gen/embedded.c is made by scripts/embed.sh. */
#ifndef CLI_EMBEDDED_H
#define CLI_EMBEDDED_H

typedef struct embedded_file {
    const char *name;
    const char *text;
} embedded_file;

extern const embedded_file embedded_files[]; /* ended by a row without a name */

#endif
