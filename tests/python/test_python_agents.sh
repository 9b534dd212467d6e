# Python adapters: the memories of agents.
exec sh "$SOURCE/tests/python/run.sh" agent_zero anthropic autogen hermes massgen xiaozhi
