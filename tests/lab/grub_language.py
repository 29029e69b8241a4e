# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB's script language, as far as menus need it: text in, commands out. What it does not know it refuses loudly."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

_SPECIAL = frozenset("{}|&$;<> \t\n'\"\\")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_LOOPS = frozenset({"while", "until", "for"})


class NotUnderstood(ValueError):
    """GRUB would say "syntax error", or has something here that this lab does not."""


@dataclass(frozen=True)
class Part:
    """``kind``: ``plain``, ``quoted`` (as it is), ``split`` (a variable, cut at blanks) or ``whole`` (a variable)."""

    kind: str
    text: str


Word = tuple[Part, ...]


@dataclass(frozen=True)
class Simple:
    """A command; ``block`` is what stands in braces behind ``menuentry`` and ``submenu``."""

    words: tuple[Word, ...]
    block: tuple[Command, ...] | None = None


@dataclass(frozen=True)
class Condition:
    branches: tuple[tuple[tuple[Command, ...], tuple[Command, ...]], ...]
    otherwise: tuple[Command, ...]


@dataclass(frozen=True)
class Function:
    name: str
    body: tuple[Command, ...]


@dataclass(frozen=True)
class Wrong:
    """A place where the text is not GRUB's language, and why."""

    why: str


Command = t.Union[Simple, Condition, Function, Wrong]


_Token = t.Union[Word, str, "Wrong"]


def parse(text: str) -> t.Iterator[Command]:
    """One command after the other, as GRUB reads them: what is wrong is said, and it goes on with the next line."""
    parser = _Parser(list(_tokens(text)))
    while parser.more:
        if parser.peek_end():
            parser.place += 1
            continue
        try:
            yield parser.command()
        except NotUnderstood as error:
            yield Wrong(str(error))
            parser.skip_line()


def _tokens(text: str) -> t.Iterator[_Token]:
    place, size = 0, len(text)
    while place < size:
        char = text[place]
        if char in " \t":
            place += 1
        elif text.startswith("\\\n", place):
            place += 2
        elif char == "#":
            end = text.find("\n", place)
            place = size if end < 0 else end
        elif char in "\n;{}":
            yield char
            place += 1
        elif char in "|&<>":
            yield Wrong(f"{char!r} means nothing to GRUB")
            place += 1
        else:
            try:
                word, place = _word(text, place)
            except NotUnderstood as error:
                yield Wrong(str(error))
                return
            yield word


def _word(text: str, place: int) -> tuple[Word, int]:
    parts: list[Part] = []
    while place < len(text):
        char = text[place]
        if char == "'":
            end = text.find("'", place + 1)
            if end < 0:
                raise NotUnderstood("a quote that is not closed")
            parts.append(Part("quoted", text[place + 1 : end]))
            place = end + 1
        elif char == '"':
            inside, place = _quoted(text, place + 1)
            parts += inside
        elif char == "$":
            name, place = _variable(text, place)
            parts.append(Part("split", name) if name is not None else Part("plain", "$"))
        elif char == "\\" and place + 1 < len(text):
            if text[place + 1] != "\n":
                parts.append(Part("quoted", text[place + 1]))
            place += 2
        elif char in _SPECIAL:
            break
        else:
            end = place
            while end < len(text) and text[end] not in _SPECIAL:
                end += 1
            parts.append(Part("plain", text[place:end]))
            place = end
    return tuple(parts), place


def _quoted(text: str, place: int) -> tuple[list[Part], int]:
    parts = [Part("quoted", "")]
    while place < len(text):
        char = text[place]
        if char == '"':
            return parts, place + 1
        if char == "\\" and text[place + 1 : place + 2] in ('"', "\\", "$"):
            parts.append(Part("quoted", text[place + 1]))
            place += 2
        elif char == "$":
            name, place = _variable(text, place)
            parts.append(Part("whole", name) if name is not None else Part("quoted", "$"))
        else:
            parts.append(Part("quoted", char))
            place += 1
    raise NotUnderstood("a quote that is not closed")


def _variable(text: str, place: int) -> tuple[str | None, int]:
    """The name behind a dollar, and where it ends; no name where the dollar is only that."""
    if text.startswith("${", place):
        end = text.find("}", place)
        if end < 0:
            raise NotUnderstood("a brace that is not closed")
        return text[place + 2 : end], end + 1
    if text[place + 1 : place + 2] in ("?", "@", "*", "#"):
        return text[place + 1], place + 2
    end = place + 1
    while end < len(text) and text[end] in _NAME:
        end += 1
    return (text[place + 1 : end], end) if end > place + 1 else (None, place + 1)


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.place = 0

    @property
    def more(self) -> bool:
        return self.place < len(self.tokens)

    def peek(self) -> Word | str:
        if not self.more:
            raise NotUnderstood("the text ends too early")
        token = self.tokens[self.place]
        if isinstance(token, Wrong):
            raise NotUnderstood(token.why)
        return token

    def peek_end(self) -> bool:
        return self.tokens[self.place] in ("\n", ";")

    def skip_line(self) -> None:
        while self.more and self.tokens[self.place] != "\n":
            self.place += 1

    def take(self) -> Word | str:
        token = self.peek()
        self.place += 1
        return token

    def keyword(self) -> str:
        """The next word where it is a plain one, else nothing."""
        word = self.peek() if self.more else ""
        if isinstance(word, str):
            return word.strip(";\n")
        return word[0].text if len(word) == 1 and word[0].kind == "plain" else ""

    def expect(self, word: str) -> None:
        if self.keyword() != word:
            raise NotUnderstood(f"{word!r} expected, not {self.peek()!r}")
        self.place += 1

    def commands(self, ends: t.Collection[str]) -> tuple[Command, ...]:
        found: list[Command] = []
        while self.more:
            if self.peek_end():
                self.place += 1
            elif self.keyword() in ends:
                break
            else:
                found.append(self.command())
        return tuple(found)

    def command(self) -> Command:
        word = self.keyword()
        if word == "if":
            return self.condition()
        if word == "function":
            return self.function()
        if word in _LOOPS or word in ("{", "}"):
            raise NotUnderstood(f"{word!r} is not understood here")
        words: list[Word] = []
        while self.more and not isinstance(word_or_end := self.peek(), str):
            words.append(word_or_end)
            self.place += 1
        if self.more and self.peek() == "{":
            return Simple(tuple(words), self.block())
        return Simple(tuple(words))

    def block(self) -> tuple[Command, ...]:
        while self.more and self.peek_end():
            self.place += 1
        self.expect("{")
        body = self.commands(("}",))
        self.expect("}")
        return body

    def condition(self) -> Condition:
        branches = []
        self.expect("if")
        while True:
            test = self.commands(("then",))
            self.expect("then")
            branches.append((test, self.commands(("elif", "else", "fi"))))
            if self.keyword() != "elif":
                break
            self.expect("elif")
        otherwise: tuple[Command, ...] = ()
        if self.keyword() == "else":
            self.expect("else")
            otherwise = self.commands(("fi",))
        self.expect("fi")
        return Condition(tuple(branches), otherwise)

    def function(self) -> Function:
        self.expect("function")
        name = self.keyword()
        self.place += 1
        return Function(name, self.block())
