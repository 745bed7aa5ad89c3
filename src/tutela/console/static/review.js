// What a form cannot do: show a picture while something is held, single keys, and ready-made answers.
"use strict";

(() => {
  const token = () => document.getElementById("review")?.dataset.token;
  const post = (address, fields) =>
    fetch(address, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams({ ...fields, token: token() }),
      keepalive: true,
    });

  // Holding: from the first touch the server counts; letting go, or looking away, ends it.

  let held = null; // { frame, began, timer }

  async function hold(frame) {
    if (!frame || held) return;
    const mine = { frame, began: 0, timer: 0 };
    held = mine;
    let answer, told;
    try {
      answer = await post(`${frame.dataset.frame}/look`, { look: "grey" });
      told = await answer.json();
    } catch {
      if (held === mine) held = null;
      return;
    }
    if (!answer.ok) {
      held = null;
      enough(told);
      return;
    }
    mine.began = performance.now();
    if (held !== mine) {
      ended(mine); // let go before the picture came
      return;
    }
    const picture = frame.querySelector(".clear");
    picture.onload = () => {
      if (held !== mine) return;
      picture.hidden = false;
      frame.classList.add("seeing");
    };
    picture.onerror = () => release();
    picture.src = told.picture;
    mine.timer = setTimeout(release, told.seconds * 1000);
  }

  function release() {
    const mine = held;
    held = null;
    if (!mine) return;
    clearTimeout(mine.timer);
    const picture = mine.frame.querySelector(".clear");
    picture.hidden = true;
    picture.removeAttribute("src");
    mine.frame.classList.remove("seeing");
    if (mine.began) ended(mine);
  }

  function ended(mine) {
    post("/media/seen", { milliseconds: Math.round(performance.now() - mine.began) }).catch(() => {});
  }

  function enough(told) {
    const words = document.getElementById("enough");
    words.querySelector("[data-enough-title]").textContent = told.title;
    words.querySelector("[data-enough-text]").textContent = told.text;
    words.hidden = false;
    words.scrollIntoView({ block: "nearest" });
  }

  const frameOf = (element) => element?.closest(".tile")?.querySelector(".frame[data-frame]");

  document.addEventListener("pointerdown", (event) => {
    const target = event.target.closest?.("[data-hold], .frame[data-frame]");
    if (!target || event.button !== 0) return;
    event.preventDefault();
    target.closest(".tile").querySelector("[data-hold]").focus();
    hold(frameOf(target));
  });
  for (const name of ["pointerup", "pointercancel", "blur"]) window.addEventListener(name, release);
  document.addEventListener("visibilitychange", release);
  window.addEventListener("pagehide", release);
  document.addEventListener("contextmenu", (event) => {
    if (event.target.closest?.(".frame[data-frame], [data-hold]")) event.preventDefault();
  });

  // Keys

  const switched = document.getElementById("keys-on");
  const kept = "tutela-single-keys";
  if (switched) {
    switched.checked = localStorage.getItem(kept) !== "off";
    switched.addEventListener("change", () => localStorage.setItem(kept, switched.checked ? "on" : "off"));
  }

  const items = () => [...document.querySelectorAll("[data-item]")];
  const here = () => document.activeElement?.closest("[data-item]");

  function move(step) {
    const all = items();
    const at = all.indexOf(here());
    const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step];
    if (!next) return;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  const shown = (selector) => document.querySelector(selector);
  const keys = {
    j: () => move(1),
    k: () => move(-1),
    o: () => here()?.querySelector("[data-open]")?.click(),
    t: () => (here()?.querySelector("[data-take]") ?? (items().some((i) => i.querySelector("[data-open]")) ? null : shown("[data-take]")))?.click(),
    h: () => hold(here()?.querySelector(".frame[data-frame]")),
    d: () => shown("#decide input[type=radio]:checked, #decide input[type=radio]")?.focus(),
    n: () => shown("#note")?.focus(),
    u: () => shown("[data-up]")?.click(),
    "/": () => shown("#find")?.focus(),
  };
  const writing = (element) =>
    element.matches("textarea, select, input:not([type=radio], [type=checkbox])") || element.isContentEditable;

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
    const button = event.target.closest?.("[data-hold]");
    if (button && (event.key === " " || event.key === "Enter")) {
      event.preventDefault();
      if (!event.repeat) hold(frameOf(button));
      return;
    }
    if (!switched?.checked || writing(event.target)) return;
    const act = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
    if (!act) return;
    event.preventDefault();
    if (!event.repeat || event.key === "j" || event.key === "k") act();
  });
  document.addEventListener("keyup", (event) => {
    if ([" ", "Enter", "h"].includes(event.key)) release();
  });

  // Ready-made answers

  const ready = document.querySelector("[data-ready]");
  ready?.addEventListener("change", () => {
    const text = ready.selectedOptions[0].dataset.text;
    const answer = document.getElementById(ready.dataset.ready);
    if (text) answer.value = answer.value.trim() ? `${answer.value.trimEnd()}\n\n${text}` : text;
    ready.value = "";
    answer.focus();
  });
})();
