# Python adapters: the memories of agents.
exec sh "$SOURCE/tests/python/run.sh" agent_zero autogen hermes massgen xiaozhi
