"""Sends the mails in the outbox over SMTP, or prints them to the log if no server is set. Every worker runs it.

It has a thread of its own because a slow mail server must delay neither a slot nor the sweep. It looks for due mails
once in every period of the sweep, and at once after a hint.
"""

import email.utils
import logging
import smtplib
import ssl
import threading
import time
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from typing import Self
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError

from submissions.messages import outbox
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.records import MailRecord

TIMEOUT_S = 20.0
STOP_S = 8.0  # for the mail that is being sent; one that is cut off is sent again later
FORGET_EVERY_S = 3600.0
_FINAL = range(500, 600)  # SMTP's codes for permanent failures
_log = logging.getLogger(__name__)


class PostError(Exception):
    """A mail was not accepted. is_final: it never will be. server_failed: no other mail will be accepted now."""

    def __init__(self, message: str, *, is_final: bool = False, server_failed: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final
        self.server_failed = server_failed


class LogPost:
    """Prints mails to the log: on a site without a mail server, its operator passes the links on by hand."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, mail: MailRecord) -> None:
        text = _text(mail, self._settings)
        _log.warning("Mail to %s, not sent (GENGAP_SMTP_HOST is empty): %s\n%s", mail.address, mail.subject, text)

    def close(self) -> None:
        pass


class SmtpPost:
    """One connection to the mail server, opened for the first mail."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._smtp: smtplib.SMTP | None = None

    def send(self, mail: MailRecord) -> None:
        message = message_of(mail, self._settings)
        try:
            self._smtp = self._smtp or self._connect()
            self._smtp.send_message(message, to_addrs=[mail.address])
        except smtplib.SMTPRecipientsRefused as error:
            code, why = error.recipients[mail.address]
            raise PostError(f"{code} {_words(why)}", is_final=code in _FINAL) from None
        except smtplib.SMTPDataError as error:
            reason = f"{error.smtp_code} {_words(error.smtp_error)}"
            raise PostError(reason, is_final=error.smtp_code in _FINAL) from None
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise PostError(f"{type(error).__name__}: {error}", server_failed=True) from None

    def open(self) -> None:
        """Connect and log in without sending anything. Raises PostError."""
        try:
            self._smtp = self._connect()
        except (smtplib.SMTPException, OSError) as error:
            raise PostError(f"{type(error).__name__}: {error}", server_failed=True) from None

    def close(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        address = (settings.smtp_host, settings.smtp_port)
        if settings.smtp_security == "tls":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(*address, timeout=TIMEOUT_S, context=ssl.create_default_context())
        else:
            smtp = smtplib.SMTP(*address, timeout=TIMEOUT_S)
        try:
            if settings.smtp_security == "starttls":
                smtp.starttls(context=ssl.create_default_context())
            if settings.smtp_user:
                smtp.login(settings.smtp_user, settings.smtp_password.get_secret_value())
        except BaseException:
            smtp.close()
            raise
        return smtp


class Mailer:
    """Sends due mails in a thread during a `with` block."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self._settings = settings
        self._db = db
        self._woken = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="mailer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended = True
        self._woken.set()
        self._thread.join(STOP_S)

    def wake(self) -> None:
        """Look for due mails at once."""
        self._woken.set()

    def send_due(self) -> int:
        """Send all mails that are due; return how many were accepted."""
        post: SmtpPost | LogPost = SmtpPost(self._settings) if self._settings.smtp_host else LogPost(self._settings)
        sent = 0
        try:
            while not self._ended and (mail := outbox.claim_due(self._db)) is not None:
                try:
                    post.send(mail)
                except PostError as error:
                    self._note_failure(mail, error)
                    if error.server_failed:
                        break
                else:
                    outbox.note_sent(self._db, mail.id)
                    sent += 1
        finally:
            post.close()
        return sent

    def _note_failure(self, mail: MailRecord, error: PostError) -> None:
        again = outbox.note_failure(self._db, mail, str(error), for_good=error.is_final)
        tries = f"try {mail.tries} of {outbox.MOST_TRIES}, {'it will be tried again' if again else 'given up'}"
        _log.warning("Mail %d was not accepted (%s): %s", mail.id, tries, error)

    def _run(self) -> None:
        forget_at = time.monotonic()
        while not self._ended:
            self._woken.clear()
            try:
                self.send_due()
                if time.monotonic() >= forget_at:
                    outbox.forget_old(self._db)
                    forget_at = time.monotonic() + FORGET_EVERY_S
            except (SQLAlchemyError, OSError):
                _log.exception("due mails could not be read; the next sweep tries again")
            self._woken.wait(self._settings.sweep_s)


def message_of(mail: MailRecord, settings: Settings) -> EmailMessage:
    """Return the message to be sent: plain text, marked as automatically generated."""
    message = EmailMessage(policy=POLICY)
    message["From"] = settings.mail_from
    message["To"] = mail.address
    message["Subject"] = mail.subject
    message["Date"] = email.utils.format_datetime(mail.created_at)
    domain = urlsplit(settings.effective_public_url).hostname or "localhost"
    # the same in every attempt, so that duplicates can be recognised
    message["Message-ID"] = f"<gengap-{mail.id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_text(mail, settings), cte="quoted-printable")
    return message


def _text(mail: MailRecord, settings: Settings) -> str:
    return mail.text.replace(outbox.SITE, settings.effective_public_url)


def _words(reason: bytes | str) -> str:
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
