"""How the cells of a text file are separated, and how its numbers are written."""

from enum import Enum


class Delimiter(Enum):
    """What stands between two cells; by default it is found out from the first lines."""

    auto = ""
    comma = ","
    semicolon = ";"
    tab = "\t"
    pipe = "|"


class Decimal(Enum):
    """What stands before the decimals of a number; by default it is found out from the first lines."""

    auto = ""
    point = "."
    comma = ","
