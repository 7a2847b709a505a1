"""Fixtures of the tests of datasets."""

from tests.helpers.mirrors import mirrors

__all__ = ["mirrors"]
