"""An SMTP server for tests, on a free port of this machine.

usage: smtp_server.py MODE [CERT KEY]

MODE is a list of words: plain, starttls, tls, auth, no8bit, one-mail (421 to the
second MAIL of a connection), hangs-up (closes after each mail, and says so with
`{"closed": N}`). Says `ready PORT` on its standard output, and then a JSON object
per mail, with the number of its connection. Refusals are chosen by the
recipient: `refused-` 550 and `later-` 451 at RCPT, `rejected-` 554 and
`greylisted-` 451 after the body, `drop-` closes the connection there.
Ends with its standard input.
"""
import asyncio
import itertools
import json
import logging
import ssl
import sys
import warnings

try:
    from aiosmtpd.smtp import SMTP, AuthResult
except ImportError:
    print("aiosmtpd is missing: run tests/install", flush=True)
    sys.exit(3)

# What goes wrong here on purpose is told by the tests themselves.
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")

mode = set(sys.argv[1].split(","))
context = None
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])


def check(server, session, envelope, mechanism, data):
    right = (data.login, data.password) == (b"us@er", b"p:w/d")
    return AuthResult(success=right, handled=right, auth_data=data)


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, options):
        if "one-mail" in mode and server.mails > 0:
            return "421 4.7.0 too many mails in one connection"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused-"):
            return "550 5.1.1 no such person " + address
        if address.startswith("later-"):
            return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        to = envelope.rcpt_tos[0]
        mail = {
            "from": envelope.mail_from,
            "to": to,
            "options": sorted(envelope.mail_options),
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "user": session.auth_data.login.decode() if session.authenticated else None,
            "content": envelope.content.decode(),
            "connection": server.number,
        }
        print(json.dumps(mail), flush=True)
        server.mails += 1
        if "hangs-up" in mode:
            # Once the answer is out.
            asyncio.get_running_loop().call_later(0.01, server.transport.close)
        if to.startswith("rejected-"):
            return "554 5.7.1 not wanted"
        if to.startswith("greylisted-"):
            return "451 4.7.1 come back later"
        if to.startswith("drop-"):
            server.transport.abort()
            return "250 OK"
        return "250 OK"


numbers = itertools.count(1)


class Server(SMTP):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.number = next(numbers)
        self.mails = 0

    def connection_lost(self, error):
        super().connection_lost(error)
        if "hangs-up" in mode:
            print(json.dumps({"closed": self.number}), flush=True)

    # A server of the old days does not announce 8BITMIME.
    async def push(self, status):
        if "no8bit" in mode and status in ("250-8BITMIME", b"250-8BITMIME"):
            return
        await super().push(status)


def server():
    return Server(
        Handler(),
        hostname="mail.test",
        enable_SMTPUTF8="no8bit" not in mode,
        tls_context=context if "starttls" in mode else None,
        auth_required="auth" in mode,
        auth_require_tls=False,
        authenticator=check if "auth" in mode else None,
    )


async def main():
    loop = asyncio.get_running_loop()
    implicit = context if "tls" in mode else None
    listening = await loop.create_server(server, "127.0.0.1", 0, ssl=implicit)
    print("ready", listening.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
