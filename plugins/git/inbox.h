/*
 * inbox.h - taking in what stock git pushed to inbox/NAME.
 */
#ifndef PLUGINS_GIT_INBOX_H
#define PLUGINS_GIT_INBOX_H

#include "backend.h"

/* Merges all that lies there, on an open store; without effect on one that is open for reading only. By the one thread that opens or
 * writes. What goes wrong is logged and stays in the inbox. `call` bounds what it waits for
 * the store's lock. */
void inbox_empty(quipu_backend *self, const quipu_call *call);

#endif
