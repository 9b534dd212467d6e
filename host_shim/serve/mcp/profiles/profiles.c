/* profiles.c - the tool profiles that there are. */
#include "profiles.h"

#include <string.h>

const mcp_profile *const mcp_profiles[] = { &quipu_profile,      &memory_profile, &anthropic_profile,
                                            &openmemory_profile, &goose_profile,  NULL };

const mcp_profile *mcp_profile_find(const char *name)
{
    for (const mcp_profile *const *p = mcp_profiles; *p; p++)
        if (strcmp((*p)->name, name) == 0)
            return *p;
    return NULL;
}
