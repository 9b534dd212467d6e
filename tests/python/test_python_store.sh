# The Python binding itself.
exec sh "$SOURCE/tests/python/run.sh" store
