"""Notifications about a person's submissions: listing them and marking them as read."""

from datetime import datetime

from pydantic import Field

from server.api.fields import Answer
from server.api.routes import Routes
from server.auth.access import Who
from server.auth.login import the_account
from server.config import services
from submissions.messages.notifications import SHOWN, mark_read, notices_of
from submissions.people.tokens import Scope

routes = Routes(80, "notifications", "Notifications", "Notifications about your submissions.")


class Notification(Answer):
    id: int
    text: str
    submission: int | None = Field(description="What it is about")
    at: datetime
    is_read: bool


class Notifications(Answer):
    items: list[Notification] = Field(description=f"The newest {SHOWN}, the newest first")


@routes.get("/notifications", Who.PARTICIPANT)
def list_notifications() -> Notifications:
    """Your notifications, the newest first"""
    with services().db.read() as session:
        found = notices_of(session, the_account().id)
    return Notifications(items=[Notification.of(one, submission=one.submission_id) for one in found])


@routes.post("/notifications/read", Who.PARTICIPANT, Scope.SUBMIT)
def read_all() -> None:
    """Mark all your notifications as read"""
    mark_read(services().db, the_account().id)


@routes.post("/notifications/<notification:notification_id>/read", Who.PARTICIPANT, Scope.SUBMIT)
def read_one(notification_id: int) -> None:
    """Mark a notification of yours as read"""
    mark_read(services().db, the_account().id, notification_id)
