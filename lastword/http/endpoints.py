"""Everything that the API offers over HTTP, as one table."""

from typing import Final

from lastword.http import lists, live, operations, trends, workflows
from lastword.http.operation import Operation

__all__ = ["OPERATIONS"]

OPERATIONS: Final[tuple[Operation, ...]] = (
    *workflows.OPERATIONS,
    *lists.OPERATIONS,
    *operations.OPERATIONS,
    *trends.OPERATIONS,
    *live.OPERATIONS,
)
"""Each endpoint that answers programs; the pages and the app's files are not among them."""
