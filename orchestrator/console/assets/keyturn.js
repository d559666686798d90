// What a page does besides being read: clocks that run, the proof that it is fresh, keys. Everything else is the server's.
"use strict";
(() => {
  // A browser can refuse to keep anything; then each page begins in UTC, and live.
  function kept(storage, name) { try { return storage.getItem(name); } catch { return null; } }
  function keep(storage, name, value) { try { storage.setItem(name, value); } catch { /* see above */ } }

  const live = document.getElementById("live");
  const icon = document.getElementById("icon");
  const freshness = document.getElementById("freshness");
  const words = document.getElementById("freshness-text");
  const pause = document.getElementById("pause");
  const SILENT = 25000; // milliseconds: two pings are missing
  const RETRY = 1000; // milliseconds, up to twice as many: pages that lost a server do not return together
  const loaded = Date.now();
  let heard = 0; // nothing yet
  const PAUSED = "keyturn.paused"; // of this tab: other pages stay paused, too
  let paused = kept(sessionStorage, PAUSED) === "1";
  let missed = false;

  // --- times

  const span = (seconds) => {
    if (seconds < 120) return `${Math.max(0, Math.floor(seconds))} s`;
    if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
    return `${Math.floor(seconds / 86400)} d`;
  };
  const clockTime = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const relative = (at) => {
    const ago = (Date.now() - at) / 1000;
    return ago >= 0 ? `${span(ago)} ago` : `in ${span(-ago)}`;
  };
  const TIMES = "keyturn.times";
  const kinds = { utc: "UTC", local: "yours", ago: "ago" };
  const timesButton = document.getElementById("times");
  let kind = kept(localStorage, TIMES) in kinds ? kept(localStorage, TIMES) : "utc";
  const showTimes = (root) => {
    for (const each of root.querySelectorAll("time[datetime]")) {
      const at = new Date(each.dateTime);
      each.dataset.utc ||= each.textContent; // as the server wrote it; a new fragment writes it again
      const isClock = each.dataset.utc.length < 10;
      const own = isClock ? at.toLocaleTimeString() : at.toLocaleString();
      const text = { utc: each.dataset.utc, local: own, ago: relative(at) }[kind];
      if (each.textContent !== text) each.textContent = text;
      each.title = `${each.dataset.utc}, here ${at.toLocaleString()}, ${relative(at)}`;
    }
    if (timesButton) timesButton.textContent = `Times: ${kinds[kind]}`;
  };
  const nextTimes = () => {
    const order = Object.keys(kinds);
    kind = order[(order.indexOf(kind) + 1) % order.length];
    keep(localStorage, TIMES, kind);
    showTimes(document);
  };
  if (timesButton) {
    timesButton.hidden = false;
    timesButton.addEventListener("click", nextTimes);
  }
  const tick = () => {
    let longest = -1;
    for (const each of document.querySelectorAll("[data-since]")) {
      const seconds = (Date.now() - new Date(each.dataset.since)) / 1000;
      longest = Math.max(longest, seconds);
      const clock = each.querySelector("[data-clock]");
      if (clock) clock.textContent = span(seconds);
    }
    if (icon) {
      const wanted = longest < 0 ? icon.dataset.calm : icon.dataset.outage;
      if (icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted);
    }
    if (longest >= 0) document.title = document.title.replace(/^● .*? outage/, `● ${span(longest)} outage`);
    if (kind === "ago") showTimes(document);
    if (words) showFreshness();
  };

  // --- freshness

  const showFreshness = () => {
    const since = heard || loaded;
    const stale = Date.now() - since > SILENT;
    freshness.classList.toggle("stale", stale && !paused);
    let text = heard ? "Live" : "Connecting";
    if (paused) text = missed ? "Paused: something has changed" : "Paused";
    else if (stale) text = `Not live since ${clockTime(since)}`;
    if (words.textContent !== text) words.textContent = text;
    freshness.title = `Version ${live.dataset.version}; heard of ${span((Date.now() - since) / 1000)} ago`;
  };
  if (live && freshness) {
    freshness.hidden = false;
    if (paused) pause.textContent = "Go on";
    document.addEventListener("ping", () => { heard = Date.now(); showFreshness(); });
    document.addEventListener("htmx:sse:before:message", (event) => {
      const message = event.detail.message;
      heard = Date.now();
      if (message.event) return;
      if (paused) missed = true;
      // An older fragment never replaces a newer one.
      if (paused || Number(message.id) < Number(live.dataset.version)) event.detail.cancelled = true;
      else live.dataset.version = message.id;
    });
    // The extension repairs a stream that broke; a first connection that failed is tried again here. Once there is a
    // stream, "connect" does nothing.
    document.addEventListener("htmx:finally:request", (event) => {
      if (event.target === live) setTimeout(() => htmx.trigger(live, "connect"), RETRY * (1 + Math.random()));
    });
    document.addEventListener("htmx:after:swap", () => { showTimes(live); tick(); });
    pause.addEventListener("click", () => {
      if (paused) { keep(sessionStorage, PAUSED, ""); location.reload(); return; }
      paused = true;
      keep(sessionStorage, PAUSED, "1");
      pause.textContent = "Go on";
      showFreshness();
    });
  }

  // --- keys

  let before = "";
  const places = { o: "/", c: "/connections", r: "/rotations", j: "/journal", w: "/workers" };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    const dialog = document.getElementById("keys");
    if (event.key === "/") {
      const search = document.getElementById("search");
      if (search) { event.preventDefault(); search.focus(); }
    } else if (event.key === "?" && !dialog.open) dialog.showModal();
    else if (event.key === "t" && before !== "g") nextTimes();
    else if (before === "g" && places[event.key]) location.assign(places[event.key]);
    before = event.key;
  });

  showTimes(document);
  tick();
  setInterval(tick, 1000);
})();
