/* profiles.h - one constant for each tool profile; profiles.c lists them. */
#ifndef SERVE_PROFILES_H
#define SERVE_PROFILES_H

#include <serve/mcp/mcp.h>

extern const mcp_profile quipu_profile, memory_profile, anthropic_profile, openmemory_profile, goose_profile;

#endif
