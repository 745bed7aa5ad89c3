// Asks the passkey where a form wants it (`data-passkey`: the address that says what to ask), puts its answer into the
// form, and sends it. What the passkey signs stands for just what the form says at that moment.
"use strict";

(() => {
  const answered = new WeakSet();

  class Refused extends Error {}

  function say(form, why, text = "") {
    for (const line of form.querySelectorAll("[data-why]")) {
      line.hidden = line.dataset.why !== why;
      if (line.dataset.why === "refused") line.textContent = text;
    }
  }

  async function ask(form, submitter) {
    const address = new URL(form.dataset.passkey, location.origin);
    address.searchParams.set("to", new URL(form.getAttribute("action"), location.href).pathname);
    const body = new URLSearchParams(new FormData(form, submitter));
    const answer = await fetch(address, { method: "POST", headers: { Accept: "application/json" }, body });
    const asked = await answer.json();
    if (!answer.ok) throw new Refused(asked.text);
    const credential =
      "making" in form.dataset
        ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(asked) })
        : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(asked) });
    return JSON.stringify(credential.toJSON());
  }

  document.addEventListener("submit", async (event) => {
    const { target: form, submitter } = event;
    if (!("passkey" in form.dataset) || answered.delete(form)) return;
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
      say(form, "old");
      return;
    }
    form.ariaBusy = "true";
    say(form, null);
    try {
      form.querySelector("[name=assertion]").value = await ask(form, submitter);
      answered.add(form);
      form.requestSubmit(submitter);
    } catch (error) {
      if (error instanceof Refused) say(form, "refused", error.message);
      else say(form, form.querySelector(`[data-why="${CSS.escape(error.name)}"]`) ? error.name : "other");
    } finally {
      form.ariaBusy = null;
    }
  });
})();
