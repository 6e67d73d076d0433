"use strict";
(() => {
  const root = document.documentElement;
  const all = (query) => [...document.querySelectorAll(query)];
  const one = (query) => document.querySelector(query);
  const kept = { get: () => { try { return localStorage.getItem("mfp-sim-theme"); } catch { return null; } },
                 set: (value) => { try { localStorage.setItem("mfp-sim-theme", value); } catch { /* not kept */ } } };
  const uncover = (within) => { for (const hidden of within.querySelectorAll(".needs-script")) hidden.hidden = false; };
  uncover(document);

  let parts = null;
  const unpack = async () => {
    const octets = Uint8Array.from(atob(one("#parts").content.textContent), (letter) => letter.charCodeAt(0));
    const text = await new Response(new Blob([octets]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
    return text.split("\x01").map((kind) => kind.split("\0"));
  };
  const fill = async (opened) => {
    const next = () => [...opened.querySelectorAll("[data-part]")].find((late) => late.closest("details") === opened);
    for (let late = next(); late; late = next()) {  // a part may hold others
      const [kind, number] = late.dataset.part.split(" ");
      delete late.dataset.part;
      late.innerHTML = (await (parts ??= unpack()))[kind][number];
      uncover(late);
    }
  };
  document.addEventListener("toggle", (event) => { if (event.target.open) fill(event.target); }, true);

  const theme = one("#theme");
  const wear = (value) => {
    if (value === "light" || value === "dark") root.dataset.theme = value; else delete root.dataset.theme;
  };
  if (kept.get()) { theme.value = kept.get(); wear(theme.value); }
  theme.addEventListener("change", () => { wear(theme.value); kept.set(theme.value); });
  one("#print").addEventListener("click", () => window.print());

  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target.hidden) reset();
    target.scrollIntoView();
  };
  window.addEventListener("hashchange", reveal);

  const text = one("#filter-text"), chapter = one("#filter-chapter"), tag = one("#filter-tag");
  const boxes = all("input[name=outcome]"), items = all("[data-outcome]"), told = one("#filter-count");
  const total = all("details[data-outcome]").length;
  const sift = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const outcomes = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let count = 0;
    for (const item of items) {
      const has = item.dataset;
      const fits = (!outcomes.size || outcomes.has(has.outcome)) &&
        (!chapter.value || has.chapter === chapter.value) &&
        (!tag.value || has.tags.split(" ").includes(tag.value)) &&
        words.every((word) => has.words.toLowerCase().includes(word));
      item.hidden = !fits;
      if (fits && item.tagName === "DETAILS") count += 1;
    }
    told.textContent = `${count} / ${total} ${told.dataset.shown}`;
  };
  function reset() {
    text.value = chapter.value = tag.value = "";
    for (const box of boxes) box.checked = false;
    sift();
  }
  if (text) {
    for (const field of [text, chapter, tag, ...boxes]) field.addEventListener("input", sift);
    one("#filter-reset").addEventListener("click", reset);
    one("#expand").addEventListener("click", () => all("details.item:not([hidden])").forEach((d) => { d.open = true; }));
    one("#collapse").addEventListener("click", () => all("details.item").forEach((d) => { d.open = false; }));
    document.addEventListener("keydown", (event) => {
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); text.focus(); }
      if (event.key === "Escape" && event.target === text) reset();
    });
    sift();
  }
  const sought = one("#coverage-text"), verdict = one("#coverage-outcome"), found = one("#coverage-count");
  const rows = all("tr.covered");
  const narrow = () => {
    const words = sought.value.toLowerCase().split(/\s+/).filter(Boolean);
    const narrowed = words.length || verdict.value;
    for (const row of rows) {
      const said = row.textContent.toLowerCase();
      row.hidden = (verdict.value && row.dataset.verdict !== verdict.value) || !words.every((word) => said.includes(word));
    }
    for (const basis of all("details.basis")) {
      const left = basis.querySelector("tr.covered:not([hidden])");
      basis.hidden = !left;
      if (narrowed && left) basis.open = true;
    }
    found.textContent = `${rows.filter((row) => !row.hidden).length} / ${rows.length} ${found.dataset.shown}`;
  };
  if (sought) {
    for (const field of [sought, verdict]) field.addEventListener("input", narrow);
    sought.form.addEventListener("submit", (event) => event.preventDefault());
    narrow();
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const from = button.parentElement.querySelector("pre");
    const chosen = document.createRange();
    chosen.selectNodeContents(from);
    getSelection().removeAllRanges();
    getSelection().addRange(chosen);
    const label = button.textContent;
    const done = () => { button.textContent = button.dataset.copy; setTimeout(() => { button.textContent = label; }, 1500); };
    if (navigator.clipboard) navigator.clipboard.writeText(from.textContent).then(done, () => {});
  });
  reveal();
})();
