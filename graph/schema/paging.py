"""Pages of lists, in the form of connections."""

from typing import Self

import strawberry

__all__ = ["PageInfo"]


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether there is more behind it.")
    has_previous_page: bool = strawberry.field(description="Whether it begins behind a cursor.")
    start_cursor: str | None = strawberry.field(description="That of its first element; null where it is empty.")
    end_cursor: str | None = strawberry.field(description="That of its last element; null where it is empty.")

    @classmethod
    def of(cls, cursors: list[str], *, has_next: bool, after: str | None) -> Self:
        """Of the page with these cursors."""
        ends = (cursors[0], cursors[-1]) if cursors else (None, None)
        return cls(
            has_next_page=has_next, has_previous_page=after is not None, start_cursor=ends[0], end_cursor=ends[1]
        )
