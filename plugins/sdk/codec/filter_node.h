/* filter_node.h - one condition of a filter on one record, for an index that holds some fields beside the record. */
#ifndef SDK_FILTER_NODE_H
#define SDK_FILTER_NODE_H

#include <quipu/filter.h>
#include <quipu/record.h>

/* As filter_match, for one node that is no group. Only the node's field is read of the record. */
int32_t filter_match_node(const quipu_filter_node *n, const quipu_record *r);

#endif
