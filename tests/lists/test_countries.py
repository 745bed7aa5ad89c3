"""Which codes are countries."""

from __future__ import annotations

import pytest
from babel import Locale

from tutela.lists.countries import ASSIGNED, check_country
from tutela.lists.errors import UnknownCountry

#: What Unicode's table of territories has beside the assigned codes: groups, reserved and private codes.
OTHERS = {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ"}


def test_the_assigned_codes_are_those_of_another_table():
    territories = {code for code in Locale("en").territories if len(code) == 2 and code.isalpha()}
    assert territories >= ASSIGNED
    assert territories - ASSIGNED <= OTHERS
    assert len(ASSIGNED) == 249


@pytest.mark.parametrize("code", ["FI", "CA", "GB", "ZW"])
def test_a_country(code: str):
    check_country(code)


@pytest.mark.parametrize("code", ["ZZ", "XX", "UK", "EU", "XK", "fi", ""])
def test_no_country(code: str):
    with pytest.raises(UnknownCountry, match="no country"):
        check_country(code)
