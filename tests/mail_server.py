"""A real mail server for tests: it takes mails, or refuses them as told, over plain SMTP or TLS, with a login."""

import email
import email.policy
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from server.demo.processes import free_port

TAKEN = "250 taken"


@dataclass
class MailServer:
    """What has arrived. `answers`: what the server says next to a mail's text, by recipient (default: taken)."""

    port: int = field(default_factory=free_port)
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    refused_recipients: dict[str, str] = field(default_factory=dict)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused_recipients:
            return self.refused_recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self.answers.get(envelope.rcpt_tos[0], TAKEN)
        if answer == TAKEN:
            assert isinstance(envelope.content, bytes)
            parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(parsed, EmailMessage)
            self.messages.append(parsed)
            self.recipients += envelope.rcpt_tos
        return answer

    @property
    def texts(self) -> list[str]:
        return [message.get_content().replace("\r\n", "\n") for message in self.messages]


@contextmanager
def mail_server(
    *, authority: trustme.CA | None = None, tls: bool = False, login: tuple[str, str] | None = None
) -> Iterator[MailServer]:
    """A server on a free loopback port. authority: it offers STARTTLS (tls: speaks TLS from the first byte)."""
    server = MailServer()
    context = None
    if authority is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)

    def authenticate(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
    ) -> AuthResult:
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        return AuthResult(success=given == login, handled=False)

    controller = Controller(
        server,
        hostname="localhost",
        port=server.port,
        ssl_context=context if tls else None,
        tls_context=None if tls else context,
        require_starttls=context is not None and not tls,
        authenticator=authenticate,
        auth_required=login is not None,
        auth_require_tls=context is not None and not tls,
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
