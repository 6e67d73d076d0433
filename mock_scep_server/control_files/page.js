// Keeps the parts marked data-live up to date, and copies the element that data-copy names.
"use strict";
(() => {
  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", () => {
      navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    });
  }

  async function follow() {
    const parts = [...document.querySelectorAll("[data-live]")];
    if (document.hidden || parts.length === 0) return;
    try {
      const reply = await fetch(location.href, { credentials: "same-origin" });
      if (!reply.ok) return;
      const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
      for (const part of parts) {
        const now = fresh.getElementById(part.id);
        const used = part.contains(document.activeElement);
        if (now && !used && now.innerHTML !== part.innerHTML) part.replaceChildren(...now.childNodes);
      }
    } catch {
      // The mock was stopped; the next attempt tells whether it is back.
    }
  }

  setInterval(follow, 2000);
})();
