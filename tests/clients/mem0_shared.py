"""What tests of Python clients share: each thing that is tried is a function whose name says what has to hold."""
import os
import traceback

URL, KEY = os.environ["QUIPU_URL"], os.environ["QUIPU_KEY"]
failures = 0


def tried(function):
    """Runs it at once, and says how it went."""
    global failures
    try:
        function()
        print("ok", function.__name__, flush=True)
    except BaseException:
        failures += 1
        traceback.print_exc()
        print("not ok", function.__name__, flush=True)


def raises(kind, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except kind as error:
        return error
    raise AssertionError(f"{kind} was not raised")


def end():
    raise SystemExit(1 if failures else 0)


def is_memory(memory, text=None, user=None):
    for name in ("id", "memory", "user_id", "agent_id", "app_id", "run_id", "metadata", "categories", "created_at", "updated_at"):
        assert name in memory, (name, memory)
    assert memory["created_at"].endswith("+00:00"), memory
    assert text is None or memory["memory"] == text, memory
    assert user is None or memory["user_id"] == user, memory
    return memory
