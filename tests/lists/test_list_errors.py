"""Every refusal has its own word for machines."""

from __future__ import annotations

import inspect

from tutela.lists import errors
from tutela.lists.errors import ListError


def test_each_class_has_its_own_code() -> None:
    classes = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, ListError)]
    codes = [one.code for one in classes]
    assert len(classes) > 40
    assert len(set(codes)) == len(codes)
    assert all("code" in vars(one) and one.__doc__ for one in classes)
