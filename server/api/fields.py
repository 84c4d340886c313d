"""Types of requests and responses of the API: strict bodies, texts of limited length, times with a zone, pages."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from server.auth.parameters import LARGEST_ID

Entry = TypeVar("Entry")

LARGEST_PAGE = 10**6
MOST_PER_PAGE = 200

# No control characters: a database stumbles over some of them, a terminal over others.
_ONE_LINE = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"
_PARAGRAPHS = r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$"

Line = Annotated[str, StringConstraints(pattern=_ONE_LINE, max_length=1000)]
Paragraphs = Annotated[str, StringConstraints(pattern=_PARAGRAPHS, max_length=100_000)]
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
Secret = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{20,64}$")]


def _in_our_times(moment: datetime) -> datetime:
    """Far from where a change of time zone leaves the calendar."""
    if not datetime(1970, 1, 2, tzinfo=UTC) <= moment <= datetime(9000, 1, 1, tzinfo=UTC):
        raise ValueError("give a time after 1970 and before 9000")
    return moment


Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_our_times)]


class Body(BaseModel):
    """The JSON of a request, read strictly; an unknown field is an error."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Query(BaseModel):
    """The parameters after the question mark; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Paging(Query):
    """The requested page of a list."""

    page: int = Field(1, ge=1, le=LARGEST_PAGE, description="Which page, from 1")
    per_page: int = Field(50, ge=1, le=MOST_PER_PAGE, description="How many a page")


class Answer(BaseModel):
    """A response of the API."""

    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def of(cls, source: object, **others: Any) -> Self:
        """Return the response with the attributes of `source` that are called like its fields, and with `others`."""
        names = cls.model_fields.keys() - others.keys()
        return cls.model_validate({name: getattr(source, name) for name in names if hasattr(source, name)} | others)


class Listing(Answer):
    """A page of a list. The header Link names the pages before and after it."""

    total: int = Field(description="Number of entries on all pages")
    page: int = Field(description="Number of this page, from 1")
    per_page: int = Field(description="Maximum number of entries of a page")

    @classmethod
    def cut(cls, entries: Sequence[Entry], query: Paging, told: Callable[[Entry], Answer]) -> Self:
        """Return the requested page of all entries, each as `told` has it."""
        first = (query.page - 1) * query.per_page
        items = [told(entry) for entry in entries[first : first + query.per_page]]
        return cls.of(query, total=len(entries), items=items)
