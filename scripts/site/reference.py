"""The reference of the API, as pages of Markdown: from docstrings, signatures and types.

Each public name becomes a directive of Sphinx's Python domain, so it is in the inventory, in the
search, and a target of links.
"""

from __future__ import annotations

import ast
import enum
import inspect
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scripts.site import docstrings
from scripts.site.inner import INNER
from scripts.site.published import (
    Catalogue,
    Origin,
    Published,
    definition,
    hint_of_attribute,
    tree,
)
from scripts.site.signatures import (
    field_default,
    is_async,
    is_context,
    signature_text,
    type_text,
)
from scripts.site.subjects import SUBJECTS, TYPES_PAGE, names_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["index_table", "reference_pages"]

OUTER: Final = "`" * 9
"""Fences of classes and functions; what is in them has shorter ones."""

INSIDE: Final = "`" * 6


@dataclass(frozen=True, slots=True)
class Member:
    """What a class has, and the class that it is from."""

    name: str
    value: Any
    owner: type[Any]


def reference_pages() -> dict[str, str]:
    """Text of each page by its name below `reference/`, without the suffix."""
    catalogue = Catalogue()
    pages: dict[str, str] = {}
    for subject in SUBJECTS:
        parts = [f"# {subject.title}", subject.text, _module(subject.package)]
        parts += [described(each, catalogue) for each in names_of(subject)]
        pages[subject.page] = "\n\n".join(parts) + "\n"
    catalogue.is_open = False
    pages[TYPES_PAGE] = _types_page(catalogue)
    return pages


def index_table() -> str:
    """All public names with what they are, by page, for the first page of the reference."""
    parts = []
    for subject in SUBJECTS:
        rows = [
            f"| [`{each.name}`](<#{each.path}>) | {_in_cell(_summary(each))} |"
            for each in names_of(subject)
        ]
        link = f"### [{subject.title}](reference/{subject.page}.md)"
        where = f"From `{subject.package}`. {subject.text.replace('](../', '](')}"
        parts.append("\n".join([link, "", where, "", "| name | what it is |", "|---|---|", *rows]))
    pages = [f"reference/{subject.page}" for subject in SUBJECTS]
    menu = "\n".join(["```{toctree}", ":hidden:", "", *pages, f"reference/{TYPES_PAGE}", "```"])
    return "\n\n".join([*parts, menu])


def _summary(each: Published) -> str:
    known = definition(each.origin)
    text = known.doc if known is not None and known.text else inspect.getdoc(each.value) or ""
    return docstrings.parse(text).summary


def _in_cell(text: str) -> str:
    return text.replace("|", r"\|")


def _module(name: str) -> str:
    return f"```{{py:currentmodule}} {name}\n```"


def described(each: Published, catalogue: Catalogue) -> str:
    """The entry of a public name."""
    if not each.is_home:
        home = catalogue.homes[each.origin]
        kind = "class" if isinstance(each.value, type) else "data"
        text = f"The same as [`{home}`](<#{home}>)."
        return f"{OUTER}{{py:{kind}}} {each.name}\n:nocontentsentry:\n\n{text}\n{OUTER}"
    return _entry(each.name, each.value, each.origin, catalogue)


def _entry(name: str, value: Any, where: Origin, catalogue: Catalogue) -> str:
    known = definition(where)
    if known is not None and known.text:
        return _alias(name, known.text, known.doc, where, catalogue)
    if isinstance(value, type):
        return _class(name, value, where, catalogue)
    signature = signature_text(value, catalogue, where.module, is_method=False)
    options = [":async:"] if is_async(value) else []
    body = _body(docstrings.parse(inspect.getdoc(value) or ""), value)
    return _directive(OUTER, "function", f"{name}{signature}", options, body)


def _alias(name: str, text: str, doc: str, where: Origin, catalogue: Catalogue) -> str:
    if text.startswith("NewType("):
        kind, doc = "`str` of its own type.", doc or ""
        return _directive(OUTER, "data", name, [], f"{kind} {' '.join(doc.split())}")
    written = catalogue.qualified(text, where.module)
    return _directive(OUTER, "data", name, [_option("type", written)], " ".join(doc.split()))


def _class(name: str, cls: type[Any], where: Origin, catalogue: Catalogue) -> str:
    doc = docstrings.parse(inspect.getdoc(cls) or "")
    signature = ""
    if _is_made_by_users(cls, doc):
        signature = signature_text(cls, catalogue, where.module, is_method=False)
    kind = "exception" if issubclass(cls, BaseException) else "class"
    bases = [
        f"[`{catalogue.homes[key].removeprefix('sockwave.')}`](<#{catalogue.homes[key]}>)"
        for base in cls.__mro__[1:]
        if (key := Origin(base.__module__, base.__qualname__)) in catalogue.homes
    ]
    if bases:
        those = "it has" if len(bases) == 1 else "these have"
        doc.text += f"\n\nA kind of {' and of '.join(bases)}, with all that {those}."
    parts = [_body(doc, cls.__init__ if signature else cls)]
    parts += [_attribute(cls, *pair, catalogue) for pair in _attributes(cls, doc)]
    parts += [_member(member, catalogue) for member in _members(cls, catalogue)]
    return _directive(OUTER, kind, f"{name}{signature}", [], "\n\n".join(filter(None, parts)))


def _is_made_by_users(cls: type[Any], doc: docstrings.Docstring) -> bool:
    """Whether its constructor is of interest: others get theirs from us."""
    if issubclass(cls, enum.Enum) or getattr(cls, "_is_protocol", False):
        return False
    if doc.args or hasattr(cls.__init__, "__signature__"):
        return True
    if hasattr(cls, "__dataclass_fields__"):
        public = [name for name in cls.__dataclass_fields__ if not name.startswith("_")]
        return len(public) == len(cls.__dataclass_fields__) and bool(public)
    return False


def _attributes(cls: type[Any], doc: docstrings.Docstring) -> Iterator[tuple[str, str]]:
    """Names and texts of what the docstring lists, and of the members of an enumeration."""
    if issubclass(cls, enum.Enum):
        texts = _texts_below(cls)
        yield from ((name, texts.get(name, "")) for name in cls.__members__)
    left_out = _left_out(cls)
    for entry in doc.attributes:
        yield from ((name, entry.text) for name in entry.names if name not in left_out)


def _texts_below(cls: type[Any]) -> dict[str, str]:
    """What stands below assignments in the body of a class."""
    found: dict[str, str] = {}
    for node in tree(cls.__module__).body:
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            for one, after in zip(node.body, node.body[1:], strict=False):
                if (
                    isinstance(one, ast.Assign)
                    and isinstance(one.targets[0], ast.Name)
                    and isinstance(after, ast.Expr)
                    and isinstance(after.value, ast.Constant)
                ):
                    found[one.targets[0].id] = " ".join(str(after.value.value).split())
    return found


def _attribute(cls: type[Any], name: str, text: str, catalogue: Catalogue) -> str:
    options: list[str] = []
    if issubclass(cls, enum.Enum):
        options.append(_option("value", repr(cls[name].value)))
    else:
        for base in cls.__mro__:
            hint = vars(base).get("__annotations__", {}).get(name) or hint_of_attribute(base, name)
            if hint:
                options.append(_option("type", type_text(hint, catalogue, base.__module__)))
                break
        default = field_default(cls, name)
        if default:
            options.append(_option("value", default))
    return _directive(INSIDE, "attribute", name, options, text)


def _members(cls: type[Any], catalogue: Catalogue) -> Iterator[Member]:
    """Methods and properties of a class, and of bases that have no entry of their own."""
    seen = _left_out(cls)
    for base in cls.__mro__:
        is_own = base is cls
        has_entry = Origin(base.__module__, base.__qualname__) in catalogue.homes
        if not base.__module__.startswith("sockwave") or (has_entry and not is_own):
            continue
        for name, value in vars(base).items():
            if name in seen or (name.startswith("_") and name != "__call__"):
                continue
            seen.add(name)
            if _is_method(value) or isinstance(value, property):
                yield Member(name, value, base)


def _left_out(cls: type[Any]) -> set[str]:
    return {name for base in cls.__mro__ for name in INNER.get(base.__name__, ())}


def _is_method(value: object) -> bool:
    return inspect.isfunction(value) or isinstance(value, (classmethod, staticmethod))


def _member(member: Member, catalogue: Catalogue) -> str:
    module = member.owner.__module__
    value = member.value
    options: list[str] = []
    if isinstance(value, property):
        doc = docstrings.parse(inspect.getdoc(value) or "")
        annotation = getattr(value.fget, "__annotations__", {}).get("return", "")
        if annotation:
            options.append(_option("type", type_text(annotation, catalogue, module)))
        return _directive(INSIDE, "property", member.name, options, _body(doc, value.fget))
    function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
    if isinstance(value, classmethod):
        options.append(":classmethod:")
    if isinstance(value, staticmethod):
        options.append(":staticmethod:")
    if is_async(function):
        options.append(":async:")
    is_method = not isinstance(value, staticmethod)
    signature = signature_text(function, catalogue, module, is_method=is_method)
    doc = docstrings.parse(inspect.getdoc(getattr(member.owner, member.name)) or "")
    return _directive(INSIDE, "method", f"{member.name}{signature}", options, _body(doc, function))


def _body(doc: docstrings.Docstring, function: Any) -> str:
    parts = [doc.text]
    if is_context(function):
        parts.append("For `async with` or `with`: what it gives is there within the block.")
    if doc.args:
        parts.append(_list("Arguments", doc.args))
    if hasattr(function, "__signature__"):
        parts.append("Each option, its unit, and when to change it: [Options](../options.md).")
    if doc.returns:
        parts.append(f"```{{rubric}} Returns\n```\n\n{doc.returns}")
    if doc.raises:
        parts.append(_list("Raises", doc.raises))
    return "\n\n".join(filter(None, parts))


def _list(title: str, entries: list[docstrings.Entry]) -> str:
    rows = []
    for entry in entries:
        names = ", ".join(f"`{name}`" for name in entry.names)
        rows.append(f"{names}\n: {entry.text.replace(chr(10), chr(10) + '  ')}")
    return f"```{{rubric}} {title}\n```\n\n" + "\n\n".join(rows)


def _option(name: str, value: str) -> str:
    """An option of a directive, which is read as YAML."""
    return f":{name}: {json.dumps(value)}"


def _directive(fence: str, kind: str, argument: str, options: list[str], body: str) -> str:
    head = "\n".join([f"{fence}{{py:{kind}}} {argument}", *options])
    return f"{head}\n\n{body}\n{fence}"


def _types_page(catalogue: Catalogue) -> str:
    text = (
        "What signatures name, but no package shows: forms of a value, contracts, and objects that"
        " you are given. Nothing of it needs to be imported, but for annotations"
        " (`if TYPE_CHECKING:`); its place may change."
    )
    parts = ["# Types in signatures", text]
    for where in sorted(catalogue.others, key=lambda each: (each.name, each.module)):
        value = getattr(__import__(where.module, fromlist=["_"]), where.name)
        parts.append(_module(where.module))
        parts.append(_entry(where.name, value, where, catalogue))
    return "\n\n".join(parts) + "\n"
