/* process_state.h - what a process holds, from /proc. 0 where the system does not tell. */
#ifndef VALIDATE_PROCESS_STATE_H
#define VALIDATE_PROCESS_STATE_H

unsigned process_descriptors(void); /* that are open */
unsigned process_threads(void);

#endif
