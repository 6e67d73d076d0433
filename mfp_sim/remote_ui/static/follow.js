// Keeps the parts marked data-live as they are on the server, every three seconds, until a person stops it.
"use strict";
(() => {
  const box = document.getElementById("follow");
  const button = document.getElementById("follow-button");
  let following = true;

  if (box && button) {
    box.hidden = false;
    button.addEventListener("click", () => {
      following = !following;
      button.textContent = following ? box.dataset.pause : box.dataset.resume;
    });
  }

  async function follow() {
    if (!following) return;
    try {
      const reply = await fetch(location.pathname + location.search, { credentials: "same-origin", redirect: "manual" });
      if (reply.type === "opaqueredirect") { // the session has ended: the login comes first
        location.reload();
        return;
      }
      const gone = document.querySelector("[data-then]");
      if (gone && reply.status !== 503) {
        location.replace(gone.dataset.then);
        return;
      }
      const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const now = fresh.getElementById(part.id);
        if (now && now.innerHTML !== part.innerHTML) part.replaceChildren(...now.childNodes);
      }
      if (!gone && reply.status === 503 && fresh.querySelector("[data-then]")) location.reload();
    } catch {
      // The simulator was stopped; the next attempt shows whether it is back.
    }
  }

  setInterval(follow, 3000);
})();
