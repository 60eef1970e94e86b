"""Templates and contexts for property tests: what marketers write, and much that they would not."""

from __future__ import annotations

from hypothesis import strategies as st

NAMES = ["first_name", "city", "tags", "count", "vip", "size", "Odd Key"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1000, 10**6)
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
    | st.sampled_from(
        ["", " ", "Ada", "böse 🙂", "a, b", "<b>x</b>", "2026-11-24", "2026-11-24T10:00:00Z", "7", "de_CH"]
    )
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)
GROUP = st.dictionaries(st.sampled_from([*NAMES, "locale", "zone"]), VALUES, max_size=5)
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "profile": GROUP,
        "event": GROUP,
        "last": st.dictionaries(st.sampled_from(["Product Added", "Order"]), GROUP, max_size=2),
        "site": st.just({"name": "Shop", "url": "https://shop.example"}),
        "now": st.just("2026-11-24T12:00:00Z"),
    },
)

PATHS = st.sampled_from(
    [
        *(f"profile.{name}" for name in NAMES[:-1]),
        "profile['Odd Key']",
        "profile.tags[0]",
        "profile.tags.first",
        "profile.tags.size",
        "profile.city.city",
        "event.count",
        "event[profile.first_name]",
        "last['Product Added'].first_name",
        "last['Order'].tags",
        "nothing.at.all",
        "made",
        "site.name",
        "now",
    ]
)
LITERALS = st.sampled_from(["'x'", "''", "' '", "3", "-1", "0.5", "true", "false", "nil", "'Ada'", "blank", "empty"])
OPERANDS = PATHS | LITERALS
FILTERS = st.sampled_from(
    [
        "capitalize", "upcase", "downcase", "strip", "squish", "size", "first", "last", "join", "join: ', '", "sort",
        "uniq", "reverse", "compact", "sum", "escape", "url_encode", "strip_html", "abs", "ceil", "round", "round: 1",
        "plus: 1", "times: 2", "divided_by: 0", "modulo: 3", "at_most: 5", "truncate: 4", "truncate: 4, ''",
        "truncatewords: 1", "append: '!'", "prepend: profile.city", "replace: 'a', 'bb'", "remove: 'a'", "slice: 0, 2",
        "slice: -2", "split: ','", "map: 'city'", "where: 'city'", "concat: profile.tags", "date: '%d.%m.%Y'", "date",
        "date: 'long'", "money: 'EUR'", "money", "number: 2", "default: 'you'", "default: ''", "default: profile.city",
        "default: 'n', allow_false: true", "append: event.count",
    ]
)  # fmt: skip
EXPRESSIONS = st.builds(lambda left, filters: " | ".join([left, *filters]), OPERANDS, st.lists(FILTERS, max_size=3))
COMPARISONS = st.builds(
    lambda left, operator, right: f"{left} {operator} {right}",
    OPERANDS,
    st.sampled_from(["==", "!=", "<", ">", "<=", ">=", "contains"]),
    OPERANDS,
)
CONDITIONS = st.builds(
    lambda first, joint, second: f"{first} {joint} {second}" if joint else first,
    OPERANDS | COMPARISONS,
    st.sampled_from(["", "", "and", "or"]),
    OPERANDS | COMPARISONS,
)
WORDS = st.sampled_from(["Hi ", "\n", " ", "{x}", "é🙂", "\r\n", "100% "])


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{{% if {} %}}{}{{% elsif {} %}}{}{{% else %}}{}{{% endif %}}".format, CONDITIONS, inner, CONDITIONS, inner, inner),
        st.builds("{{% if {} %}}{}{{% endif %}}".format, CONDITIONS, inner),
        st.builds("{{% unless {} %}}{}{{% else %}}{}{{% endunless %}}".format, CONDITIONS, inner, inner),
        st.builds(
            "{{% case {} %}}{{% when {}, {} %}}{}{{% when {} %}}{}{{% else %}}{}{{% endcase %}}".format,
            OPERANDS, OPERANDS, OPERANDS, inner, OPERANDS, inner, inner,
        ),
    )  # fmt: skip


def _loops(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("{{% for one in {} limit: 3 %}}{}{{{{ one | default: '-' }}}}{{% endfor %}}".format, PATHS, inner)


SIMPLE = st.one_of(
    WORDS,
    st.builds("{{{{ {} }}}}".format, EXPRESSIONS),
    st.builds("{{{{- {} | default: 'you' -}}}}".format, PATHS),
    st.builds("{{% assign made = {} %}}".format, EXPRESSIONS),
    st.just("{% comment %}note{% endcomment %}"),
)


def _many(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(part, min_size=1, max_size=4).map("".join)


# What is compiled, and everything.
COMPILABLE = st.recursive(_many(SIMPLE), lambda inner: _many(SIMPLE | _blocks(inner)), max_leaves=6)
ANYTHING = st.recursive(
    _many(SIMPLE | st.builds("{{% capture made %}}{}{{% endcapture %}}".format, _many(SIMPLE))),
    lambda inner: _many(SIMPLE | _blocks(inner) | _loops(inner)),
    max_leaves=6,
)
