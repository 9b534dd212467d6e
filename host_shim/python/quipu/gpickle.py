"""Reads the graph of a `graph_store.gpickle` without unpickling it: nothing of the file is ever imported or called.

    python -m quipu.gpickle graph_store.gpickle graph_store_list.json

A pickle is a small program. This module follows its opcodes with plain dictionaries, lists and numbers alone; wherever the
program names a class or calls something, an inert :class:`Thing` takes the place. What comes out are the triplets of a networkx
graph (head, relation, tail, properties). Of a damaged file the part before the damage is used, and the place of it told.
"""

from __future__ import annotations

import argparse
import math
import pathlib
import pickletools
import sys
from typing import Any

from .files import replace_json

__all__ = ["Thing", "read_triplets"]

MOST_BYTES = 1 << 30
MOST_PARTS = 1000  # of one property
_MARK = object()
_PLAIN = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_SET": set}
_VALUES = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE "
    "SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8".split()
)
_PASSED = frozenset("PROTO FRAME".split())


class Thing:
    """What a pickle would have made by calling something: its name, what it was to be made of, and what was put into it."""

    def __init__(self, name: Any, made_of: Any = None) -> None:
        self.name = name
        self.made_of = made_of
        self.state: Any = None
        self.items: dict[Any, Any] = {}


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def to_mark(self) -> list[Any]:
        for at in range(len(self.stack) - 1, -1, -1):
            if self.stack[at] is _MARK:
                above = self.stack[at + 1 :]
                del self.stack[at:]
                return above
        raise ValueError("there is no mark")

    def put_into(self, parts: list[Any]) -> None:
        """What SETITEMS, APPENDS and ADDITEMS do to what is on top."""
        target = self.stack[-1]
        if isinstance(target, (dict, Thing)):
            held = target.items if isinstance(target, Thing) else target
            for name, value in zip(parts[::2], parts[1::2]):
                held[_key(name)] = value
        elif isinstance(target, list):
            target.extend(parts)
        elif isinstance(target, set):
            target.update(_key(part) for part in parts)

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _PASSED:
            return
        if name in _VALUES:
            stack.append(argument)
        elif name in _PLAIN:
            stack.append(_PLAIN[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name in ("SETITEMS", "APPENDS", "ADDITEMS"):
            self.put_into(self.to_mark())
        elif name in ("SETITEM", "APPEND"):
            count = 2 if name == "SETITEM" else 1
            parts = stack[-count:]
            del stack[-count:]
            self.put_into(parts)
        else:
            self.make(name, argument)

    def make(self, name: str, argument: Any) -> None:
        """Tuples and the like, and an inert thing for everything that a pickle would call."""
        stack = self.stack
        if name in ("EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
            count = 0 if name == "EMPTY_TUPLE" else int(name[-1])
            parts = stack[len(stack) - count :]
            del stack[len(stack) - count :]
            stack.append(tuple(parts))
        elif name == "TUPLE":
            stack.append(tuple(self.to_mark()))
        elif name in ("LIST", "DICT", "FROZENSET"):
            parts = self.to_mark()
            stack.append({} if name == "DICT" else [])
            self.put_into(parts)
        elif name == "GLOBAL":
            stack.append(Thing(argument))
        elif name == "STACK_GLOBAL":
            last, first = stack.pop(), stack.pop()
            stack.append(Thing(f"{first} {last}"))
        elif name in ("REDUCE", "NEWOBJ"):
            made_of, what = stack.pop(), stack.pop()
            stack.append(Thing(getattr(what, "name", None), made_of))
        elif name == "NEWOBJ_EX":
            named, made_of, what = stack.pop(), stack.pop(), stack.pop()
            stack.append(Thing(getattr(what, "name", None), (made_of, named)))
        elif name == "BUILD":
            state = stack.pop()
            if isinstance(stack[-1], Thing):
                stack[-1].state = state
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            self.to_mark()
        elif name == "DUP":
            stack.append(stack[-1])
        elif name != "STOP":
            raise ValueError(f"{name} does not occur in a graph")

    def close(self) -> None:
        """Puts what is under way into what it was meant for, after a damage."""
        while any(part is _MARK for part in self.stack):
            parts = self.to_mark()
            if self.stack and self.stack[-1] is not _MARK:
                self.put_into(parts[: len(parts) // 2 * 2] if isinstance(self.stack[-1], dict) else parts)
            else:
                self.stack.extend(parts)


def _key(name: Any) -> Any:
    try:
        hash(name)
    except TypeError:
        return str(name)
    return name


def read_triplets(data: bytes) -> tuple[list[dict[str, Any]], str | None]:
    """The triplets of the graphs in a pickle; and, where it is damaged, at which byte and how."""
    machine, at, fault = _Machine(), 0, None
    try:
        for opcode, argument, position in pickletools.genops(data):
            at = position or 0
            machine.step(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, RecursionError, UnicodeError, MemoryError) as why:
        fault = f"damaged at byte {at}: {why}"
        machine.close()
    triplets: list[dict[str, Any]] = []
    for adjacency in _adjacencies([*machine.stack, *machine.memo.values()]):
        for triplet in _triplets_of(adjacency):
            if triplet not in triplets[-1:]:
                triplets.append(triplet)
    return triplets, fault


def _adjacencies(things: list[Any]) -> list[dict[Any, Any]]:
    """Of every graph state among these, each once."""
    found: dict[int, dict[Any, Any]] = {}
    for thing in things:
        state = thing.state if isinstance(thing, Thing) else thing
        if isinstance(state, dict):
            for name in ("_adj", "adj", "_succ", "succ"):
                if isinstance(state.get(name), dict) and state[name]:
                    found[id(state[name])] = state[name]
                    break
    return list(found.values())


def _triplets_of(adjacency: dict[Any, Any]) -> list[dict[str, Any]]:
    triplets = []
    for head, tails in adjacency.items():
        for tail, edges in tails.items() if isinstance(tails, dict) else ():
            for relation, properties in edges.items() if isinstance(edges, dict) else ():
                if not isinstance(properties, dict):
                    continue
                more = {str(name): value for name, value in properties.items() if _is_plain(value)}
                relation_type = more.pop("relation_type", relation)
                triplet = {"head": str(head), "relation": str(relation_type), "tail": str(tail)}
                if "user_id" in more:
                    triplet["user_id"] = more.pop("user_id")
                triplets.append({**triplet, "properties": more})
    return triplets


def _is_plain(value: Any) -> bool:
    """What JSON has, and little of it: a few bytes of a pickle can mean a value of any size."""
    left = MOST_PARTS
    open_values = [value]
    while open_values:
        part = open_values.pop()
        left -= 1
        if isinstance(part, dict):
            open_values.extend(part.values())
            if not all(isinstance(name, str) for name in part):
                return False
        elif isinstance(part, (list, tuple)):
            open_values.extend(part)
        elif not isinstance(part, (str, int, float, type(None))) or part != part or part in (math.inf, -math.inf):
            return False
        if left - len(open_values) < 0:
            return False
    return True


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m quipu.gpickle", description="A graph_store.gpickle as a list of triplets.")
    parser.add_argument("pickle", type=pathlib.Path)
    parser.add_argument("json", type=pathlib.Path, help="is written; it must not be there")
    given = parser.parse_args(arguments)
    if given.json.exists():
        print(f"{given.json} is there already; name another file", file=sys.stderr)
        return 2
    if given.pickle.stat().st_size > MOST_BYTES:
        print(f"{given.pickle} is larger than {MOST_BYTES} bytes", file=sys.stderr)
        return 2
    triplets, fault = read_triplets(given.pickle.read_bytes())
    replace_json(given.json, triplets)
    print(f"{len(triplets)} triplets" + (f"; {given.pickle}: {fault}" if fault else ""))
    return 1 if fault else 0


if __name__ == "__main__":
    sys.exit(main())
