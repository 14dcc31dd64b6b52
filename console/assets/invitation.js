"use strict";

// The page of a mailed link. The secret stands in the address's fragment, which
// browsers send to nobody; it is handed over only in the body of a POST to this
// service. Looking changes nothing; everything else waits for a button.

const part = (id) => document.getElementById(id);
const link = location.pathname.split("/").filter(Boolean).pop();
let seen = null;

function secret() {
  const text = location.hash.slice(1);
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// What each refusal means to the person who holds the link. Refusals that are
// not listed show the service's own words.
const WORDS = {
  "wrong-code": "This link is not right. Perhaps your mail program cut it: copy the whole address from the mail.",
  "link-replaced": "A newer mail has been sent for this invitation. Use the link in the newest one.",
  "invitation-expired": "This invitation has expired. Ask whoever invited you to send it again.",
  "invitation-cancelled": "This invitation was taken back by whoever sent it.",
  "invitation-declined": "This invitation was declined. Ask for a new one if that was a mistake.",
  "invitation-accepted": "This invitation was accepted already. A link is good for one acceptance.",
  "locked": "There were too many wrong tries from here. Ask whoever invited you to send the invitation again.",
  "account-exists": "This address has an account already. Log in with it, then accept.",
  "inviter-may-not": "Whoever invited you may no longer do so. Ask somebody else there to invite you.",
  "address-not-proven": "This invitation can only be accepted with the link from the mail to the invited address.",
  "log-in-refused": "The address or the password is not right.",
  "unauthorized": "You are not logged in any more. Log in, then accept.",
};

class Refused extends Error {
  constructor(status, body, retryAfter) {
    super(body.message || "");
    this.status = status;
    this.code = body.code || "";
    this.details = body.details || [];
    this.retryAfter = retryAfter;
  }
}

async function post(path, body) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  const csrf = seen && cookie(`Csrf-Token_${seen.tenant}`);
  if (csrf) headers[`X-Csrf-Token_${seen.tenant}`] = csrf;
  const answer = await fetch(path, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
    credentials: "same-origin",
    referrerPolicy: "no-referrer",
  });
  const text = await answer.text();
  let content = {};
  try {
    content = text ? JSON.parse(text) : {};
  } catch {
    // A proxy's own page, perhaps: the status alone has to do.
  }
  if (!answer.ok) throw new Refused(answer.status, content, answer.headers.get("Retry-After"));
  return content;
}

function cookie(name) {
  const start = `${name}=`;
  const found = document.cookie.split("; ").find((c) => c.startsWith(start));
  return found ? found.slice(start.length) : "";
}

function words(problem) {
  if (!(problem instanceof Refused)) return "The service cannot be reached. Check your connection and try again.";
  if (problem.status === 429) {
    return `There were too many tries. Wait ${problem.retryAfter || "some"} seconds and try again.`;
  }
  if (problem.status === 503) return "The service is busy. Try again in a moment.";
  const known = WORDS[problem.code];
  if (known) return known;
  const details = problem.details.map((d) => (typeof d === "string" ? d : `${d.param} ${d.reason}`)).join("; ");
  return [problem.message || "Something went wrong.", details].filter(Boolean).join(" ");
}

function show(id, on) {
  part(id).hidden = !on;
}

function say(text) {
  part("status").textContent = text;
  show("status", Boolean(text));
}

function complain(text) {
  part("problem").textContent = text;
  show("problem", Boolean(text));
}

const FORMS = ["login", "register", "decline"];

function openForm(name) {
  for (const each of FORMS) {
    show(`${each}-form`, each === name);
    part(`show-${each}`).setAttribute("aria-expanded", String(each === name));
  }
  if (name) part(`${name}-form`).querySelector("input:not([readonly]), textarea").focus();
}

function finish(title, text) {
  openForm(null);
  show("choices", false);
  complain("");
  say("");
  part("title").textContent = title;
  document.title = title;
  part("done-text").textContent = text;
  show("done", true);
  // The secret is used up: it need not stay in the history.
  history.replaceState(null, "", location.pathname);
  part("title").focus();
}

function targetWords(view) {
  const names = { organization: "the organization", integration: "the integration", platform: "the platform" };
  return view.target.name ? `${names[view.kind]} ${view.target.name}` : names[view.kind];
}

function describe(view) {
  const inviter = view.invited_by && view.invited_by.name;
  part("summary").textContent = inviter
    ? `${inviter} invites you to join ${targetWords(view)}.`
    : `You are invited to join ${targetWords(view)}.`;
  part("target").textContent = targetWords(view);
  part("role").textContent = view.role || "";
  show("role", Boolean(view.role));
  show("role-label", Boolean(view.role));
  part("inviter").textContent = inviter || "the people who run this service";
  part("invited-email").textContent = view.email || "";
  const until = new Date(view.expires_at);
  part("expires").dateTime = view.expires_at;
  part("expires").textContent = until.toLocaleString(undefined, { dateStyle: "long", timeStyle: "short" });
  part("message").textContent = view.message || "";
  show("message", Boolean(view.message));
  show("invitation", true);
}

function offer(view) {
  const me = view.session;
  part("who").textContent = me ? `You are logged in as ${me.email || me.name || "a user"}.` : "";
  show("who", Boolean(me));
  part("how").textContent = view.can_register
    ? "The invited address has no account here yet: you can make one."
    : "Log in to accept. Nothing is accepted until you press the button.";
  show("how", !me);
  show("accept", Boolean(me));
  show("show-register", Boolean(view.can_register));
  part("show-register").classList.toggle("main", !me);
  part("show-login").textContent = me ? "Use another account" : "Log in";
  part("show-login").classList.toggle("main", !me && !view.can_register);
  show("show-login", true);
  part("register-email").value = view.email || "";
  part("login-email").value = part("login-email").value || view.email || "";
  show("choices", true);
}

async function look() {
  complain("");
  openForm(null);
  for (const id of ["invitation", "choices", "done"]) show(id, false);
  if (!secret()) {
    say("");
    complain("This link is not whole: the part after # is missing. Copy the whole address from the mail.");
    return;
  }
  say("Looking at your invitation …");
  try {
    const view = await post(`/i/${link}/view`, { code: secret() });
    seen = view;
    say("");
    describe(view);
    if (view.state === "accepted") finish("You have accepted", `You belong to ${targetWords(view)}.`);
    else offer(view);
  } catch (problem) {
    say("");
    complain(words(problem));
  }
}

// Runs one step, with its button out of reach meanwhile.
async function step(button, doing, work) {
  complain("");
  say(doing);
  button.disabled = true;
  try {
    await work();
    say("");
  } catch (problem) {
    say("");
    complain(words(problem));
    if (problem.code === "account-exists") offer({ ...seen, can_register: false });
    if (problem.code === "account-exists" || problem.code === "unauthorized") openForm("login");
  } finally {
    button.disabled = false;
  }
}

part("accept").addEventListener("click", (event) =>
  step(event.currentTarget, "Accepting …", async () => {
    await post(`/i/${link}/accept`, { code: secret() });
    finish("You have accepted", `Welcome: you now belong to ${targetWords(seen)}.`);
  }),
);

for (const name of FORMS) {
  part(`show-${name}`).addEventListener("click", () => openForm(part(`${name}-form`).hidden ? name : null));
}

part("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  step(part("login-submit"), "Logging in …", async () => {
    await post("/api/login", {
      email: part("login-email").value,
      password: part("login-password").value,
      remember_me: part("login-remember").checked,
      tenant: seen.tenant,
    });
    part("login-password").value = "";
    await look();
    part("accept").focus();
  });
});

part("register-form").addEventListener("submit", (event) => {
  event.preventDefault();
  step(part("register-submit"), "Making your account …", async () => {
    await post(`/i/${link}/register`, {
      code: secret(),
      name: part("register-name").value,
      password: part("register-password").value,
    });
    part("register-password").value = "";
    finish("Welcome", `Your account is made, and you now belong to ${targetWords(seen)}.`);
  });
});

part("decline-form").addEventListener("submit", (event) => {
  event.preventDefault();
  step(part("decline-submit"), "Declining …", async () => {
    const reason = part("decline-reason").value.trim();
    await post(`/i/${link}/decline`, reason ? { code: secret(), reason } : { code: secret() });
    finish("You have declined", "Nothing else happens. You can close this page.");
  });
});

window.addEventListener("hashchange", look);
look();
