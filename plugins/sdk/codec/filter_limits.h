/* filter_limits.h - how large a filter may be. */
#ifndef SDK_FILTER_LIMITS_H
#define SDK_FILTER_LIMITS_H

#define FILTER_NODES_MAX 1000
#define FILTER_VALUES_MAX 10000
#define FILTER_FIELD_MAX 4096 /* bytes of a field's name */

#endif
