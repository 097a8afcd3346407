"""Walk through the content of a file: its arrays and objects with their names."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from jaxgan.convert.formats._bounds import Refused
from jaxgan.convert.formats._inert import Inert

MAX_DEPTH = 100  # largest depth of nested containers
MAX_VALUES = 1_000_000  # shared values count at each occurrence
MAX_NAME = 256  # most characters of the name of a tensor

_PARTS = ("_parameters", "_buffers", "_modules")  # of a module


class Place(NamedTuple):
    """The position of a value.

    Attributes:
      above: Place of the container; None for the whole content.
      name: Name of the value in its container.
      depth: Number of containers around it.
    """

    above: "Place | None" = None
    name: str = ""
    depth: int = 0


def name_of(place: Place) -> str:
    """Join the names on the path to a value with dots.

    Raises:
      Refused: If the result is longer than ``MAX_NAME``.
    """
    names, size, here = [], 0, place
    while here.above is not None:
        names.append(here.name)
        size += len(here.name) + 1
        here = here.above
    if size > MAX_NAME:
        raise Refused(f"has a tensor with a name of more than {MAX_NAME} characters")
    return ".".join(reversed(names))


def leaves(root: Any) -> Iterator[tuple[Place, Any]]:
    """Yield every value that is not a container, and every other object.

    Containers are dictionaries, lists, tuples, modules and objects of TorchScript. Their
    content comes first, depth first. The attributes of other objects come last; each of these
    is visited once, so that objects that refer to each other, such as trainers, terminate.

    Raises:
      Refused: If there are more than ``MAX_VALUES`` values, or containers that contain
        themselves or nest deeper than ``MAX_DEPTH``. Among attributes, these are skipped.
    """
    walk = _Walk()
    yield from walk.down(Place(), root, strict=True)
    while walk.later:
        place, holder = walk.later.popleft()
        for name, value in _attributes(holder):
            here = Place(place, name, place.depth + 1)
            yield from walk.down(here, value, strict=False)


class _Walk:
    def __init__(self):
        self.budget = MAX_VALUES
        self.visited = set()  # objects
        self.containers = set()  # containers among attributes
        self.later = deque()

    def down(self, place: Place, value: Any, strict: bool) -> Iterator[tuple[Place, Any]]:
        levels = [(None, iter([(place, value)]))]
        barred = set() if strict else self.containers  # containers not to open
        while levels:
            container, items = levels[-1]
            item = next(items, None)
            if item is None:
                levels.pop()
                if strict:
                    barred.discard(id(container))
                continue
            place, value = item
            self.budget -= 1
            if self.budget < 0:
                raise Refused(f"unfolds to more than {MAX_VALUES} values")
            self._keep(place, value)
            inside = _inside(value)
            if inside is None:
                yield place, value
            elif id(value) not in barred and place.depth < MAX_DEPTH:
                barred.add(id(value))
                levels.append((value, _places(place, inside)))
            elif strict:
                limit = f"{MAX_DEPTH} deep, or inside themselves"
                raise Refused(f"has containers more than {limit}")

    def _keep(self, place: Place, value: Any) -> None:
        """Keep an object for later."""
        if (
            isinstance(value, Inert)
            and place.depth < MAX_DEPTH
            and id(value) not in self.visited
        ):
            self.visited.add(id(value))
            self.later.append((place, value))


def _places(above: Place, items: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Place, Any]]:
    for name, value in items:
        yield Place(above, str(name), above.depth + 1), value


def _inside(value: Any) -> Iterable[tuple[Any, Any]] | None:
    """Return the names and values in a container; None for anything else."""
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, list | tuple):
        return enumerate(value)
    if not isinstance(value, Inert):
        return None
    state = value.state
    if _is_module(state):
        return _state_dict(state)
    if isinstance(state, dict) and value.name.startswith("__torch__."):
        return state.items()
    return None if value.items is None else value.items.items()


def _attributes(value: Inert) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of an object's attributes."""
    state = value.state
    if _is_module(state):
        return
    if value.args:
        yield "args", value.args
    if value.members is not None:
        yield "members", value.members
    if not isinstance(state, dict):
        yield "state", state
    elif not value.name.startswith("__torch__."):
        yield from ((str(name), part) for name, part in state.items())


def _is_module(state: Any) -> bool:
    return isinstance(state, dict) and all(type(state.get(part)) is dict for part in _PARTS)


def _state_dict(state: dict) -> Iterator[tuple[Any, Any]]:
    """Yield the entries of a module's ``state_dict`` from the attributes of the module."""
    hidden = state.get("_non_persistent_buffers_set")
    hidden = hidden if isinstance(hidden, set) else ()
    for part in _PARTS:
        for name, value in state[part].items():
            if part != "_buffers" or name not in hidden:
                yield name, value
