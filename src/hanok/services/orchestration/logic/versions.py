"""The versions of templates, and the functions that each has.

Source: the template guide, "Heat template version", "Intrinsic functions", "Condition functions".
"""

from __future__ import annotations

from msgspec import Struct

_2013 = {"get_attr", "get_param", "get_resource", "get_file", "list_join", "str_replace", "resource_facade",
         "Fn::Select", "Fn::GetAZs", "Fn::Join", "Fn::Split", "Fn::Replace", "Fn::Base64", "Fn::MemberListToMap",
         "Fn::ResourceFacade"}  # fmt: skip
_2014 = (_2013 - {"Fn::GetAZs", "Fn::Join", "Fn::Split", "Fn::Replace", "Fn::Base64", "Fn::MemberListToMap",
                  "Fn::ResourceFacade"}) | {"get_attr"}  # fmt: skip
_2015_04 = _2014 | {"repeat", "digest"}
_2015_10 = (_2015_04 - {"Fn::Select"}) | {"str_split"}
_2016_04 = _2015_10 | {"map_merge"}
_2016_10 = _2016_04 | {"yaql", "map_replace", "if"}
_OCATA = _2016_10 | {"filter", "str_replace_strict"}
_PIKE = _OCATA | {
    "make_url",
    "list_concat",
    "list_concat_unique",
    "contains",
    "str_replace_vstrict",
}
_CFN = {"Ref", "Fn::GetAtt", "Fn::FindInMap", "Fn::GetAZs", "Fn::Select", "Fn::Join", "Fn::Split", "Fn::Replace",
        "Fn::Base64", "Fn::MemberListToMap", "Fn::ResourceFacade", "Fn::If"}  # fmt: skip

_HOT_CONDITIONS = {"get_param", "equals", "not", "and", "or"}
_LATER_CONDITIONS = _HOT_CONDITIONS | {"yaql", "contains"}
_CFN_CONDITIONS = {"Ref", "Fn::FindInMap", "Fn::Equals", "Fn::Not", "Fn::And", "Fn::Or"}


class Version(Struct, frozen=True, kw_only=True):
    """A version of templates. kind: hot or cfn. aliases: other names that it has."""

    name: str
    kind: str
    functions: frozenset[str]
    conditions: frozenset[str] = frozenset()
    aliases: tuple[str, ...] = ()

    @property
    def section(self) -> str:
        return "heat_template_version" if self.kind == "hot" else self._cfn_section

    @property
    def _cfn_section(self) -> str:
        aws = self.name.startswith("2010")
        return "AWSTemplateFormatVersion" if aws else "HeatTemplateFormatVersion"


def _hot(
    name: str, functions: set[str], conditions: set[str] | None = None, *aliases: str
) -> Version:
    return Version(
        name=name,
        kind="hot",
        functions=frozenset(functions),
        conditions=frozenset(conditions or ()),
        aliases=aliases,
    )


ALL = (
    _hot("2013-05-23", _2013),
    _hot("2014-10-16", _2014),
    _hot("2015-04-30", _2015_04),
    _hot("2015-10-15", _2015_10),
    _hot("2016-04-08", _2016_04),
    _hot("2016-10-14", _2016_10, _HOT_CONDITIONS, "newton"),
    _hot("2017-02-24", _OCATA, _HOT_CONDITIONS, "ocata"),
    _hot("2017-09-01", _PIKE, _LATER_CONDITIONS, "pike"),
    _hot("2018-03-02", _PIKE, _LATER_CONDITIONS, "queens"),
    _hot("2018-08-31", _PIKE, _LATER_CONDITIONS, "rocky"),
    _hot("2021-04-16", _PIKE, _LATER_CONDITIONS, "wallaby"),
    Version(
        name="2010-09-09",
        kind="cfn",
        functions=frozenset(_CFN),
        conditions=frozenset(_CFN_CONDITIONS),
    ),
    Version(
        name="2012-12-12",
        kind="cfn",
        functions=frozenset(_CFN),
        conditions=frozenset(_CFN_CONDITIONS),
    ),
)
BY_NAME = {name: one for one in ALL for name in (one.name, *one.aliases)}

ABOUT = {
    "get_attr": "A function for resolving resource attributes.",
    "get_param": "A function for resolving parameter references.",
    "get_resource": "A function for resolving resource references.",
    "get_file": "A function for including a file inline.",
    "list_join": "A function for joining one or more lists of strings.",
    "str_replace": "A function for performing string substitutions.",
    "str_replace_strict": "A function for performing string substitutions; each parameter has to be in the template.",
    "str_replace_vstrict": "A function for performing string substitutions; no parameter may be empty.",
    "str_split": "A function for splitting delimited strings into a list.",
    "resource_facade": "A function for retrieving data in a parent provider template.",
    "repeat": "A function for iterating over a list of items.",
    "digest": "A function for performing digest operations.",
    "map_merge": "A function for merging maps.",
    "map_replace": "A function for performing substitutions on maps.",
    "yaql": "A function for executing a yaql expression; not in conditions.",
    "if": "A function to return corresponding value based on condition evaluation.",
    "equals": "A function for comparing whether two values are equal.",
    "not": "A function that acts as a NOT operator on a condition.",
    "and": "A function that acts as an AND operator on conditions.",
    "or": "A function that acts as an OR operator on conditions.",
    "filter": "A function for filtering out values from lists.",
    "make_url": "A function for performing substitutions on maps.",
    "list_concat": "A function for extending lists.",
    "list_concat_unique": "A function for extending lists, with unique items.",
    "contains": "A function for checking whether specific value is in sequence.",
    "Ref": "A function for resolving references to resources and parameters.",
    "Fn::GetAtt": "A function for resolving resource attributes.",
    "Fn::FindInMap": "A function for resolving keys in the template mappings.",
    "Fn::GetAZs": "A function for retrieving the availability zones.",
    "Fn::Select": "A function for selecting an item from a list or map.",
    "Fn::Join": "A function for joining strings.",
    "Fn::Split": "A function for splitting strings.",
    "Fn::Replace": "A function for performing string substitutions.",
    "Fn::Base64": "A placeholder function for converting to base64.",
    "Fn::MemberListToMap": "A function to convert lists with enumerated keys and values to mapping.",
    "Fn::ResourceFacade": "A function for retrieving data in a parent provider template.",
    "Fn::If": "A function to return corresponding value based on condition evaluation.",
    "Fn::Equals": "A function for comparing whether two values are equal.",
    "Fn::Not": "A function that acts as a NOT operator on a condition.",
    "Fn::And": "A function that acts as an AND operator on conditions.",
    "Fn::Or": "A function that acts as an OR operator on conditions.",
}
