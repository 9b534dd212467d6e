# Python adapters: what programs store and look up.
exec sh "$SOURCE/tests/python/run.sh" bring jarvis langgraph mem0 synthians
