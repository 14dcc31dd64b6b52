// The program under test, and a browser page that is watched.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, open } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { chromium } from "playwright-core";

const START_WAIT_MS = 30_000;
const MAIL_WAIT_MS = 20_000;
const LOOK_AGAIN_MS = 20;
export const PASSWORD = "correct horse battery";

async function freePort() {
  const server = createServer();
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

export class Service {
  static async start(program) {
    const service = new Service();
    service.folder = await mkdtemp(join(tmpdir(), "browser-"));
    service.data = join(service.folder, "data");
    service.url = `http://127.0.0.1:${await freePort()}`;
    const words = await open(join(service.folder, "words"), "w");
    const listen = service.url.slice("http://".length);
    service.process = spawn(program, ["serve", "--data", service.data, "--listen", listen, "--mail", "file"], {
      cwd: service.folder,
      stdio: ["ignore", words.fd, words.fd],
    });
    await words.close();
    service.ended = new Promise((ended) => service.process.once("exit", ended));
    const begun = Date.now();
    while (!(await fetch(`${service.url}/healthz`).then((a) => a.ok, () => false))) {
      if (service.process.exitCode !== null || Date.now() - begun > START_WAIT_MS) {
        throw new Error(`the service does not start: ${await readFile(join(service.folder, "words"), "utf8")}`);
      }
      await pause(LOOK_AGAIN_MS);
    }
    service.token = (await readFile(join(service.data, "admin-token"), "utf8")).trim();
    return service;
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.ended;
    await rm(this.folder, { recursive: true, force: true });
  }

  // As the deployment's principal.
  async call(method, path, body) {
    const answer = await fetch(`${this.url}/api/ledger/${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.token}`, ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  async organization(name) {
    return (await this.call("POST", "organizations", { name })).id;
  }

  // Invites the address, and answers the invitation and the link of its mail.
  async invite(organization, email, role = "member") {
    const asked = { kind: "organization", organization, email, role };
    const { invitation } = await this.call("POST", "invitations", asked);
    return { ...invitation, address: await this.linkTo(email) };
  }

  async linkTo(email) {
    const begun = Date.now();
    const outbox = join(this.data, "outbox");
    while (Date.now() - begun < MAIL_WAIT_MS) {
      const names = (await readdir(outbox).catch(() => [])).filter((name) => name.endsWith(".eml"));
      for (const name of names) {
        const mail = await readFile(join(outbox, name), "utf8");
        const link = mail.match(/^http\S+\/i\/\S+#\S+$/m);
        if (link && mail.match(/^To: (.*)$/m)[1].includes(email)) return link[0];
      }
      await pause(LOOK_AGAIN_MS);
    }
    throw new Error(`no mail to ${email}`);
  }

  async invitation(id) {
    return this.call("GET", `invitations/${id}`);
  }
}

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

// A page in a browser of its own whose every request and complaint is written down.
export class Visitor {
  static async arrive(browser, service) {
    const visitor = new Visitor();
    visitor.context = await browser.newContext();
    visitor.page = await visitor.context.newPage();
    visitor.foreign = [];
    visitor.complaints = [];
    visitor.sent = [];
    visitor.page.on("request", (request) => {
      visitor.sent.push(request);
      if (!request.url().startsWith(`${service.url}/`) && !request.url().startsWith("data:")) {
        visitor.foreign.push(request.url());
      }
    });
    visitor.page.on("console", (message) => {
      // An answer of 4xx is logged by the browser itself; the page tells it in words.
      const refusal = message.text().startsWith("Failed to load resource: the server responded with a status of 4");
      if (["error", "warning"].includes(message.type()) && !refusal) visitor.complaints.push(message.text());
    });
    visitor.page.on("pageerror", (error) => visitor.complaints.push(String(error)));
    return visitor;
  }

  text(id) {
    return this.page.locator(`#${id}`).innerText();
  }

  async shown(id) {
    await this.page.locator(`#${id}`).waitFor({ state: "visible" });
    return this.text(id);
  }

  async leave() {
    await this.context.close();
  }
}
