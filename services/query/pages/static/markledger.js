// Comfort on top of pages that work without it: boxes that follow, thresholds that move an open report, names beside a
// table, printing. It sends only requests that the page's own links and forms would send.
"use strict";

document.documentElement.classList.add("js");

// --- Cut-offs: each band ends where the next used one begins ---------------------------------------------------------

function followCutOffs(boxes) {
  const inputs = [...boxes.querySelectorAll("input")];
  const values = inputs.map((input) => input.value.trim());
  const numbers = values.map(Number);
  const whole = values.every((value) => value === "-" || /^\d+$/.test(value));
  boxes.querySelectorAll("[data-to]").forEach((end) => {
    const next = values.slice(Number(end.dataset.to)).find((value) => value !== "-");
    if (end.dataset.to === "4" || next === undefined) end.textContent = "the top";
    else if (next === "") end.textContent = "…";
    else end.textContent = whole ? String(Number(next) - 1) : `under ${next}`;
  });
  inputs.forEach((input, index) => {
    const before = numbers.slice(0, index).filter((number) => !Number.isNaN(number));
    const low = values[index] !== "-" && numbers[index] <= Math.max(0, ...before);
    input.toggleAttribute("data-overlap", values[index] !== "" && low);
    if (low && values[index] !== "") input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  });
}

function watchCutOffs(root) {
  root.querySelectorAll("[data-cut-offs]").forEach((boxes) => {
    followCutOffs(boxes);
    boxes.addEventListener("input", () => followCutOffs(boxes));
  });
}

// --- Thresholds on an open report ------------------------------------------------------------------------------------

function addressOf(form) {
  return `${form.action.split("?")[0]}?${new URLSearchParams(new FormData(form))}`;
}

async function pageAt(address, signal) {
  const answer = await fetch(address, { headers: { Accept: "text/html" }, credentials: "same-origin", signal });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return { page, address: answer.url, ok: answer.ok };
}

function replaceReport(page) {
  const opened = [...document.querySelectorAll("#report details[open]")].map((each) => each.id);
  for (const part of ["#report", ".strip", ".menu"]) {
    const here = document.querySelector(`main ${part}`);
    const there = page.querySelector(`main ${part}`);
    if (here && there) here.replaceWith(there);
  }
  opened.filter(Boolean).forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
}

function watchThresholds(form) {
  const fault = form.querySelector("[data-live-fault]");
  let waiting = 0;
  let asking = null;
  async function move() {
    asking?.abort();
    asking = new AbortController();
    try {
      const { page, address, ok } = await pageAt(addressOf(form), asking.signal);
      fault.hidden = ok;
      if (!ok) {
        fault.textContent = page.querySelector(".errors li")?.textContent ?? "These thresholds cannot be used.";
        return;
      }
      replaceReport(page);
      history.replaceState(null, "", address);
    } catch (error) {
      if (error.name === "AbortError") return;
      fault.hidden = false;
      fault.textContent = "The report could not be fetched. Press Apply to try again.";
    }
  }
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(move, 250);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(waiting);
    move();
  });
}

// --- The names behind a number, beside the table ---------------------------------------------------------------------

let panel = null;

function openPanel() {
  if (!panel) {
    panel = document.createElement("dialog");
    panel.className = "panel";
    panel.setAttribute("aria-label", "Pupils");
    document.body.append(panel);
    panel.addEventListener("click", (event) => {
      if (event.target === panel || event.target.closest("[data-close]")) panel.close();
    });
  }
  return panel;
}

async function showPupils(href) {
  const { page, ok } = await pageAt(href);
  const pupils = page.querySelector("#pupils");
  if (!ok || !pupils) return location.assign(href);
  const dialog = openPanel();
  const bar = document.createElement("p");
  bar.className = "panel-bar no-print";
  bar.innerHTML = '<button type="button" class="second" data-close>Close</button> <a>Open as a page</a>';
  bar.querySelector("a").href = href;
  pupils.querySelectorAll("[id]").forEach((part) => { part.id = `panel-${part.id}`; });
  pupils.querySelectorAll("[aria-labelledby]").forEach((part) => {
    part.setAttribute("aria-labelledby", `panel-${part.getAttribute("aria-labelledby")}`);
  });
  dialog.replaceChildren(bar, pupils);
  if (!dialog.open) dialog.showModal();
}

function leadsToPupils(link) {
  return link.origin === location.origin && /^\/reports\/[a-z-]+\/members$/.test(link.pathname);
}

// --- The whole page --------------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) return window.print();
  const link = event.target.closest("#report a[href]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return undefined;
  const address = new URL(link.getAttribute("href"), location.href);
  if (!leadsToPupils(address)) return undefined;
  event.preventDefault();
  showPupils(address.href).catch(() => location.assign(address.href));
  return undefined;
});

watchCutOffs(document);
document.querySelectorAll("form[data-live]").forEach(watchThresholds);
document.querySelector(".errors")?.focus();
