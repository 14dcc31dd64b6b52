// The page of a mailed link, as people meet it: with a mouse, with the keyboard
// alone, with a link that is wrong or too late.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { PASSWORD, Service, Visitor, launch } from "./service.mjs";

const program = process.env.PROGRAM;
let service, browser, organization, visitor;

before(async () => {
  assert.ok(program, "PROGRAM names the program under test");
  service = await Service.start(program);
  browser = await launch();
  organization = await service.organization("Acme Roofing");
});

after(async () => {
  await browser?.close();
  await service?.stop();
});

beforeEach(async () => {
  visitor = await Visitor.arrive(browser, service);
});

afterEach(async () => {
  assert.deepEqual(visitor.foreign, [], "no request leaves for another host");
  assert.deepEqual(visitor.complaints, [], "neither the page nor its policy complains");
  // The secret stands in the address: no request may tell where it came from.
  const referers = visitor.sent.map((request) => request.headers().referer).filter(Boolean);
  assert.deepEqual(referers, []);
  await visitor.leave();
});

const state = async (invitation) => (await service.invitation(invitation.id)).state;

test("registering makes the account and accepts", async () => {
  const invitation = await service.invite(organization, "bob@guests.example");
  await visitor.page.goto(invitation.address);
  assert.match(await visitor.shown("summary"), /Acme Roofing/);
  assert.equal(await visitor.text("invited-email"), "bob@guests.example");
  assert.equal(await state(invitation), "pending", "looking changes nothing");

  await visitor.page.click("#show-register");
  assert.equal(await visitor.page.inputValue("#register-email"), "bob@guests.example");
  await visitor.page.fill("#register-name", "Bob Baker");
  await visitor.page.fill("#register-password", PASSWORD);
  await visitor.page.click("#register-submit");

  assert.match(await visitor.shown("done-text"), /account is made.*Acme Roofing/);
  assert.equal(await state(invitation), "accepted");
  assert.ok(!visitor.page.url().includes("#"), "the used secret leaves the address bar");
  const cookies = await visitor.context.cookies();
  const session = cookies.find((cookie) => cookie.name === "AtmoAuthToken_default");
  assert.ok(session?.httpOnly, "the session's cookie is out of scripts' reach");
  assert.equal(session.sameSite, "Lax");
});

test("somebody with an account logs in, then accepts", async () => {
  await service.call("POST", "users", { email: "carol@guests.example", name: "Carol", password: PASSWORD });
  const invitation = await service.invite(organization, "carol@guests.example");
  await visitor.page.goto(invitation.address);
  await visitor.shown("choices");
  assert.equal(await visitor.page.isVisible("#show-register"), false, "there is an account already");

  await visitor.page.click("#show-login");
  await visitor.page.fill("#login-email", "carol@guests.example");
  await visitor.page.fill("#login-password", "not her password");
  await visitor.page.click("#login-submit");
  assert.match(await visitor.shown("problem"), /password is not right/);
  await visitor.page.fill("#login-password", PASSWORD);
  await visitor.page.click("#login-submit");
  await visitor.shown("accept");
  assert.equal(await state(invitation), "pending", "logging in accepts nothing");
  await visitor.page.click("#accept");

  assert.match(await visitor.shown("done-text"), /Acme Roofing/);
  assert.equal(await state(invitation), "accepted");
});

test("the keyboard alone is enough", async () => {
  const invitation = await service.invite(organization, "dora@guests.example");
  await visitor.page.goto(invitation.address);
  await visitor.shown("choices");
  const { keyboard } = visitor.page;
  const focused = () => visitor.page.evaluate(() => document.activeElement?.id || "");
  const tabTo = async (id) => {
    for (let steps = 0; (await focused()) !== id; steps += 1) {
      assert.ok(steps < 20, `tabbing does not reach #${id}`);
      await keyboard.press("Tab");
    }
  };

  await keyboard.press("Tab");
  assert.equal(await focused(), "skip", "the first stop skips to the content");
  await tabTo("show-register");
  await keyboard.press("Enter");
  assert.equal(await focused(), "register-name", "opening a form leads into it");
  await keyboard.type("Dora Dahl");
  await keyboard.press("Tab");
  await keyboard.type(PASSWORD);
  await keyboard.press("Enter");

  assert.match(await visitor.shown("done-text"), /account is made/);
  assert.equal(await focused(), "title", "the result is announced where the focus is");
  assert.equal(await state(invitation), "accepted");
});

test("declining keeps the reason, and the link is over", async () => {
  const invitation = await service.invite(organization, "eric@guests.example");
  await visitor.page.goto(invitation.address);
  await visitor.shown("choices");
  await visitor.page.click("#show-decline");
  await visitor.page.fill("#decline-reason", "We have not met.");
  await visitor.page.click("#decline-submit");
  assert.match(await visitor.shown("done-text"), /Nothing else happens/);
  assert.match(await visitor.shown("title"), /declined/);
  assert.equal(await state(invitation), "declined");

  await visitor.page.goto("about:blank");
  await visitor.page.goto(invitation.address);
  assert.match(await visitor.shown("problem"), /was declined/);
  assert.equal(await visitor.page.isVisible("#choices"), false);
});

test("a wrong secret names nobody", async () => {
  const invitation = await service.invite(organization, "faye@guests.example");
  const [place, secret] = invitation.address.split("#");
  await visitor.page.goto(`${place}#${"0".repeat(secret.length)}`);
  assert.match(await visitor.shown("problem"), /not right/);
  const body = await visitor.page.innerText("body");
  assert.ok(!body.includes("faye") && !body.includes("Acme"), body);

  await visitor.page.goto("about:blank");
  await visitor.page.goto(place);
  assert.match(await visitor.shown("problem"), /not whole/);
});

test("a cancelled invitation says so", async () => {
  const invitation = await service.invite(organization, "gina@guests.example");
  await service.call("POST", `invitations/${invitation.id}/cancel`, {});
  await visitor.page.goto(invitation.address);
  assert.match(await visitor.shown("problem"), /taken back/);
  assert.equal(await visitor.page.isVisible("#choices"), false);
});

test("without a session the right secret accepts nothing", async () => {
  const invitation = await service.invite(organization, "hugo@guests.example");
  const [place, secret] = invitation.address.split("#");
  await visitor.page.goto(place);
  const status = await visitor.page.evaluate(
    async ([path, code]) => {
      const headers = { "Content-Type": "application/json" };
      const answer = await fetch(`${path}/accept`, { method: "POST", headers, body: JSON.stringify({ code }) });
      return answer.status;
    },
    [new URL(place).pathname, secret],
  );
  assert.equal(status, 401);
  assert.equal(await state(invitation), "pending");
});

// A week does not pass here; what the service answers after one is a story of tests/stories/time.rs.
test("an expired invitation says so", async () => {
  const invitation = await service.invite(organization, "iris@guests.example");
  const body = JSON.stringify({ code: "invitation-expired", message: "the invitation is expired", details: [] });
  await visitor.page.route("**/view", (route) => route.fulfill({ status: 410, contentType: "application/json", body }));
  await visitor.page.goto(invitation.address);
  assert.match(await visitor.shown("problem"), /has expired/);
  assert.equal(await visitor.page.isVisible("#choices"), false);
});
