// Live updates and nicer forms. Without this script the page works by form posts and reloads.
// Every change, here or elsewhere, ends the same way: the page is fetched again and its live parts are merged.
"use strict";

(() => {
  const policy = window.trustedTypes
    ? trustedTypes.createPolicy("tutela", { createHTML: (html) => html })
    : { createHTML: (html) => html };
  const parse = (html) => new DOMParser().parseFromString(policy.createHTML(html), "text/html");
  const byId = (id) => document.getElementById(id);
  const sources = new Map(); // what the server last sent for each region

  const remember = (root) => {
    for (const region of root.querySelectorAll("[data-live=region]")) sources.set(region.id, region.innerHTML);
    for (const item of root.querySelectorAll("[data-live=list] > *")) sources.set(item.id, item.outerHTML);
  };

  function mergeList(list, fresh) {
    const wanted = [...fresh.children];
    const ids = new Set(wanted.map((item) => item.id));
    for (const item of [...list.children]) if (!ids.has(item.id)) item.remove();
    let place = list.firstElementChild;
    for (const item of wanted) {
      const source = item.outerHTML;
      const held = byId(item.id);
      if (held && sources.get(item.id) === source) {
        if (held === place) place = place.nextElementSibling;
        else list.insertBefore(held, place);
      } else {
        const hadFocus = held?.contains(document.activeElement);
        const imported = document.importNode(item, true);
        if (held) {
          if (held === place) place = place.nextElementSibling;
          held.replaceWith(imported);
        } else list.insertBefore(imported, place);
        if (hadFocus) focusOn(imported.querySelector("button, a[href], [tabindex]") || byId("message"));
      }
      sources.set(item.id, source);
    }
  }

  function mergeRegion(region, fresh) {
    const source = fresh.innerHTML;
    if (sources.get(region.id) === source) return;
    sources.set(region.id, source);
    const hadFocus = region.contains(document.activeElement);
    // For pages without a script; here the focus is moved below, and the browser would remark that it cannot do it too.
    for (const element of fresh.querySelectorAll("[autofocus]")) element.removeAttribute("autofocus");
    region.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
    const target = region.querySelector("[data-focus]");
    if (target) focusOn(target);
    else if (hadFocus) focusOn(byId("message"));
  }

  let kept = byId("message")?.defaultValue;
  function mergeDraft(fresh) {
    const draft = fresh.getElementById("message")?.defaultValue;
    const words = byId("message");
    if (draft && draft !== kept && words && !words.value) words.value = draft;
    kept = draft;
  }

  function merge(fresh) {
    mergeDraft(fresh);
    for (const part of fresh.querySelectorAll("[data-live]")) {
      const held = byId(part.id);
      if (!held) continue;
      if (part.dataset.live === "list") mergeList(held, part);
      else if (part.dataset.live === "attributes") held.inert = part.hasAttribute("inert");
      else mergeRegion(held, part);
    }
  }

  const focusOn = (element) => element?.focus({ preventScroll: element.id === "message" });

  function say(name) {
    for (const line of document.querySelectorAll("#busy > span")) line.hidden = !(name && name in line.dataset);
  }

  async function show(response) {
    if (!response.ok) throw new Error(String(response.status));
    merge(parse(await response.text()));
  }

  let asked = false;
  let asking = false;
  async function refresh() {
    asked = true;
    if (asking) return;
    asking = true;
    try {
      while (asked) {
        asked = false;
        await show(await fetch("./", { headers: { Accept: "text/html" } }));
      }
    } catch {
      // The stream below notices what has gone, and asks again.
    } finally {
      asking = false;
    }
  }

  let turn = Promise.resolve(); // one form after the other, in the order in which they were sent

  function send(form, submitter) {
    const words = form.querySelector("textarea");
    if (form.ariaBusy === "true" && !words) return;
    const body = new FormData(form, submitter);
    const file = form.querySelector("input[type=file]")?.files[0];
    if (file && file.size > Number(form.dataset.limit)) {
      form.reset();
      say("large");
      return;
    }
    const written = words?.value;
    if (words) words.value = "";
    form.ariaBusy = "true";
    turn = turn.then(async () => {
      say(null);
      const slow = setTimeout(() => say("busy"), 500); // most answers come sooner and need no word
      let failed = null;
      try {
        await show(await fetch(form.action, { method: "POST", body }));
        if (byId("notice")?.textContent.trim()) failed = "";
      } catch (error) {
        failed = error.message === "413" ? "large" : "offline";
      }
      clearTimeout(slow);
      say(failed);
      if (words && failed !== null && !words.value) words.value = written; // keep words that were not sent
      if (file) form.reset();
      form.ariaBusy = null;
    });
  }

  document.addEventListener("submit", (event) => {
    event.preventDefault();
    send(event.target, event.submitter);
  });
  document.addEventListener("change", (event) => {
    if (event.target.type === "file" && event.target.files.length) event.target.form.requestSubmit();
  });
  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey && event.target.id === "message") {
      event.preventDefault();
      if (event.target.value.trim()) event.target.form.requestSubmit();
    } else if (event.key === "Escape") {
      document.querySelector("[data-escape]")?.requestSubmit();
    }
  });

  remember(document);
  const stream = new EventSource("events");
  stream.addEventListener("changed", () => {
    if (!document.querySelector("#busy > [data-offline][hidden]")) say(null);
    refresh();
  });
  stream.addEventListener("error", () => say("offline"));
})();
