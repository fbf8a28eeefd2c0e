"""The grammar of Go's templates (`text/template/parse`), by recursive descent."""

from collections.abc import Callable, Collection, Mapping
from typing import Final, Literal, cast

from watchfleet.promql.format import quote
from watchfleet.rules.template.constants import char_of, number_of, string_of
from watchfleet.rules.template.errors import TemplateSyntaxError
from watchfleet.rules.template.lexer import Token, tokenize
from watchfleet.rules.template.nodes import (
    Action,
    Bool,
    Branch,
    Call,
    Chain,
    Command,
    Dot,
    Field,
    Function,
    Jump,
    Nil,
    Node,
    Number,
    Operand,
    Pipe,
    String,
    Template,
    Text,
    Variable,
)

DEEPEST: Final = 100
"""How deep branches and parentheses may nest."""
LONGEST_TEXT: Final = 200_000
"""Characters of one template."""
_TERMS: Final[Mapping[str, Callable[[Token], Operand]]] = {
    "bool": lambda token: Bool(token.text == "true", token.offset),
    "char": char_of,
    "dot": lambda token: Dot(token.offset),
    "field": lambda token: Field((token.text[1:],), token.offset),
    "name": lambda token: Function(token.text, token.offset),
    "nil": lambda token: Nil(token.offset),
    "number": number_of,
    "string": lambda token: String(token.text, string_of(token), token.offset),
    "variable": lambda token: Variable(token.text, (), token.offset),
}
_OPERANDS: Final = frozenset({*_TERMS, "("})


def parse_template(
    name: str, text: str, functions: Collection[str], variables: Collection[str] = ()
) -> Template:
    """Read a template.

    Args:
        name: How messages call it.
        text: Its text.
        functions: The names of the functions that it may call.
        variables: The names of the variables that are there from the beginning.

    Raises:
        TemplateSyntaxError: It is malformed; tells where and why.
    """
    if len(text) > LONGEST_TEXT:
        raise TemplateSyntaxError(f"the template is longer than {LONGEST_TEXT} characters", 0)
    parser = _Parser(name, text, functions, variables)
    parser.parse()
    return Template(name, text, parser.trees)


class _Parser:
    def __init__(self, name: str, text: str, functions: Collection[str], variables: Collection[str]) -> None:
        self._tokens = list(tokenize(text))
        self._at = 0
        self._name, self._functions = name, functions
        self._variables = ["$", *variables]
        self._depth, self._loops = 0, 0
        self.trees: dict[str, tuple[Node, ...]] = {}

    def parse(self) -> None:
        nodes: list[Node] = []
        end = Token("define", "", 0)
        while end.kind != "eof":
            body, end = self._list()
            nodes += body
            if end.kind == "define":
                self._definition()
            elif end.kind != "eof":
                raise TemplateSyntaxError(f"unexpected {{{{{end.text}}}}}", end.offset)
        self.trees[self._name] = tuple(nodes)

    def _definition(self) -> None:
        name, _ = self._template_name("define clause")
        self._close("define clause")
        self._add(name, self._whole("define clause", ["$"]))

    def _whole(self, context: str, variables: list[str]) -> tuple[Node, ...]:
        """The nodes of a template within this one, up to its end."""
        outer, self._variables = self._variables, variables
        loops, self._loops = self._loops, 0
        body, end = self._list(context)
        if end.kind != "end":
            raise TemplateSyntaxError(f"unexpected {{{{else}}}} in {context}", end.offset)
        self._close("end")
        self._variables, self._loops = outer, loops
        return body

    def _add(self, name: str, body: tuple[Node, ...]) -> None:
        known = self.trees.get(name)
        if known and not _is_empty(known) and not _is_empty(body):
            raise TemplateSyntaxError(f"template: multiple definition of template {quote(name)}", None)
        if known is None or not _is_empty(body):
            self.trees[name] = body

    def _list(self, context: str = "") -> tuple[tuple[Node, ...], Token]:
        """Nodes up to `end`, `else`, the end of the text or, outside of all, `define`; and that token."""
        nodes: list[Node] = []
        while True:
            token = self._next()
            if token.kind == "text":
                nodes.append(Text(token.text, token.offset))
            elif token.kind == "eof":
                if context:
                    raise TemplateSyntaxError("unexpected EOF", token.offset)
                return tuple(nodes), token
            elif self._peek().kind in {"end", "else"} or (self._peek().kind == "define" and not context):
                return tuple(nodes), self._next()
            else:
                nodes.append(self._action(token))

    def _action(self, opening: Token) -> Node:
        self._deeper(opening)
        token = self._peek()
        match token.kind:
            case "if" | "with" | "range":
                node: Node = self._branch(self._next())
            case "block":
                self._next()
                node = self._block()
            case "template":
                self._next()
                node = self._call()
            case "break" | "continue":
                node = self._jump(self._next())
            case _:
                pipe = self._pipe("command", "close")
                node = Action(pipe, pipe.offset)
        self._depth -= 1
        return node

    def _deeper(self, token: Token) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise TemplateSyntaxError(f"the template nests deeper than {DEEPEST} levels", token.offset)

    def _branch(self, keyword: Token) -> Branch:
        kind = cast("Literal['if', 'with', 'range']", keyword.kind)
        before = len(self._variables)
        pipe = self._pipe(kind, "close")
        self._loops += kind == "range"
        body, end = self._list(kind)
        self._loops -= kind == "range"
        otherwise: tuple[Node, ...] = ()
        if end.kind == "else":
            otherwise = self._otherwise(kind, end)
        else:
            self._close("end")
        del self._variables[before:]
        return Branch(kind, pipe, body, otherwise, keyword.offset)

    def _otherwise(self, kind: str, token: Token) -> tuple[Node, ...]:
        following = self._peek()
        if following.kind in {"if", "with"} and following.kind == kind:
            self._deeper(following)
            nested = self._branch(self._next())
            self._depth -= 1
            return (nested,)
        self._close("else")
        body, end = self._list(kind)
        if end.kind != "end":
            raise TemplateSyntaxError("expected end; found {{else}}", token.offset)
        self._close("end")
        return body

    def _block(self) -> Call:
        name, offset = self._template_name("block clause")
        pipe = self._pipe("block clause", "close")
        self._add(name, self._whole("block clause", ["$"]))
        return Call(name, pipe, offset)

    def _call(self) -> Call:
        name, offset = self._template_name("template clause")
        if self._peek().kind == "close":
            self._next()
            return Call(name, None, offset)
        return Call(name, self._pipe("template clause", "close"), offset)

    def _jump(self, keyword: Token) -> Jump:
        following = self._peek()
        if following.kind != "close":
            raise TemplateSyntaxError(
                f"unexpected {following.describe()} in {{{{{keyword.text}}}}}", following.offset
            )
        self._next()
        if not self._loops:
            raise TemplateSyntaxError(f"{{{{{keyword.text}}}}} outside {{{{range}}}}", keyword.offset)
        return Jump(cast("Literal['break', 'continue']", keyword.kind), keyword.offset)

    def _template_name(self, context: str) -> tuple[str, int]:
        """A template's name in quotes, and where it stands."""
        self._skip_spaces()
        token = self._next()
        if token.kind != "string":
            raise self._unexpected(token, context)
        return string_of(token), token.offset

    def _close(self, context: str) -> None:
        self._skip_spaces()
        token = self._next()
        if token.kind != "close":
            raise self._unexpected(token, context)

    def _pipe(self, context: str, end: str) -> Pipe:
        self._skip_spaces()
        offset = self._tokens[self._at].offset
        names, assigns = self._declared(context)
        commands: list[Command] = []
        while True:
            self._skip_spaces()
            token = self._tokens[self._at]
            if token.kind == end:
                self._next()
                break
            if token.kind not in _OPERANDS:
                self._next()
                raise self._unexpected(token, context)
            commands.append(self._command())
        _check_pipe(commands, context, token)
        self._variables += names
        return Pipe(tuple(names), assigns, tuple(commands), offset)

    def _declared(self, context: str) -> tuple[list[str], bool]:
        """The variables before `:=` or `=`."""
        start, names = self._at, []
        while True:
            self._skip_spaces()
            token = self._tokens[self._at]
            if token.kind != "variable":
                break
            names.append(token.text)
            self._at += 1
            self._skip_spaces()
            sign = self._tokens[self._at]
            if sign.kind in {":=", "="}:
                self._at += 1
                return names, sign.kind == "="
            if sign.kind != ",":
                break
            if len(names) == 2 or context != "range":
                raise TemplateSyntaxError(f"too many declarations in {context}", sign.offset)
            self._at += 1
            self._skip_spaces()
            if self._tokens[self._at].kind not in {"variable", "close", ")"}:
                raise TemplateSyntaxError("range can only initialize variables", sign.offset)
        self._at = start
        return [], False

    def _check_variable(self, name: str, token: Token) -> None:
        if name not in self._variables:
            raise TemplateSyntaxError(f"undefined variable {quote(name)}", token.offset)

    def _command(self) -> Command:
        offset, args = self._tokens[self._at].offset, []
        while True:
            self._skip_spaces()
            operand = self._operand()
            if operand is not None:
                args.append(operand)
            token = self._next()
            if token.kind == "space":
                continue
            if token.kind in {"close", ")"}:
                self._at -= 1
            elif token.kind != "|":
                raise self._unexpected(token, "operand")
            break
        if not args:
            raise TemplateSyntaxError("empty command", offset)
        return Command(tuple(args), offset)

    def _operand(self) -> Operand | None:
        node = self._term()
        if node is None or self._tokens[self._at].kind != "field":
            return node
        offset, names = self._tokens[self._at].offset, []
        while self._tokens[self._at].kind == "field":
            names.append(self._next().text[1:])
        match node:
            case Field():
                return Field((*node.names, *names), offset)
            case Variable():
                return Variable(node.name, (*node.names, *names), offset)
            case Bool() | String() | Number() | Nil() | Dot():
                raise TemplateSyntaxError(f"unexpected . after term {quote(str(node))}", node.offset)
        return Chain(node, tuple(names), offset)

    def _term(self) -> Operand | None:
        token = self._tokens[self._at]
        if token.kind not in _OPERANDS:
            return None
        self._next()
        if token.kind == "(":
            self._deeper(token)
            pipe = self._pipe("parenthesized pipeline", ")")
            self._depth -= 1
            return pipe
        if token.kind == "name" and token.text not in self._functions:
            raise TemplateSyntaxError(f"function {quote(token.text)} not defined", token.offset)
        if token.kind == "variable":
            self._check_variable(token.text, token)
        return _TERMS[token.kind](token)

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _peek(self) -> Token:
        self._skip_spaces()
        return self._tokens[self._at]

    def _skip_spaces(self) -> None:
        while self._tokens[self._at].kind == "space":
            self._at += 1

    @staticmethod
    def _unexpected(token: Token, context: str) -> TemplateSyntaxError:
        return TemplateSyntaxError(f"unexpected {token.describe()} in {context}", token.offset)


def _check_pipe(commands: list[Command], context: str, token: Token) -> None:
    if not commands:
        raise TemplateSyntaxError(f"missing value for {context}", token.offset)
    for stage, command in enumerate(commands[1:], 2):
        if isinstance(command.args[0], Bool | Dot | Nil | Number | String):
            raise TemplateSyntaxError(f"non executable command in pipeline stage {stage}", command.offset)


def _is_empty(nodes: tuple[Node, ...]) -> bool:
    return all(isinstance(node, Text) and not node.text.strip() for node in nodes)
