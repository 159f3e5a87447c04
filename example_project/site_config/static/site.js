// Counts down what expires, and shows the page's live parts anew when something has.
// Without it the pages show the times of their making, and work as well.
"use strict";

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

// Return seconds in their two largest units that are not 0, as lifetimes.py does.
function inWords(seconds) {
  const words = [];
  let left = Math.floor(seconds);
  for (const [unit, size] of UNITS) {
    const number = Math.floor(left / size);
    left -= number * size;
    if (number || (words.length && words.length < 2)) words.push(`${number} ${unit}`);
  }
  return words.slice(0, 2).join(" ") || "0 s";
}

// Element -> the moment of expiration, by a clock that nobody changes.
const ends = new Map();

function findCountdowns() {
  ends.clear();
  for (const element of document.querySelectorAll("[data-left-ms]")) {
    ends.set(element, performance.now() + Number(element.dataset.leftMs));
  }
}

function announce(text) {
  const status = document.querySelector("[data-announce]");
  if (status) status.textContent = text;
}

// Replace the parts of the page that carry data-refresh by those of a new page.
async function refresh() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const old of document.querySelectorAll("[data-refresh]")) {
    const replacement = page.getElementById(old.id);
    const holdsFocus = old.contains(document.activeElement);
    if (replacement) old.replaceWith(replacement);
    if (replacement && holdsFocus) document.getElementById("main").focus();
  }
  announce(document.querySelector("#live p").textContent);
  findCountdowns();
}

function tick() {
  let hasExpired = false;
  for (const [element, end] of ends) {
    const left = (end - performance.now()) / 1000;
    if (left > 0) {
      element.textContent = inWords(left);
      if (left < 10) element.classList.add("soon");
    } else {
      ends.delete(element);
      element.textContent = "0 s";
      element.closest("[data-item]")?.classList.add("expired");
      hasExpired = true;
    }
  }
  if (hasExpired && document.getElementById("live")) setTimeout(refresh, 400);
}

findCountdowns();
setInterval(tick, 250);
