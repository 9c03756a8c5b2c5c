// Comfort only: everything works without this file.
(() => {
  "use strict";
  // Buttons that copy a credit line.
  if (navigator.clipboard) {
    for (const line of document.querySelectorAll("[data-copy]")) {
      const text = line.textContent.trim();
      const button = document.createElement("button");
      button.type = "button";
      button.className = "small";
      button.textContent = line.dataset.copy;
      const said = document.createElement("span");
      said.setAttribute("role", "status");
      said.className = "said";
      button.addEventListener("click", () => {
        navigator.clipboard.writeText(text).then(() => {
          said.textContent = line.dataset.copied;
          setTimeout(() => { said.textContent = ""; }, 4000);
        });
      });
      line.append(" ", button, " ", said);
    }
  }
  // Where there is room for it, the filter is open from the start.
  const filters = document.querySelector("details.filters");
  if (filters && matchMedia("(min-width: 60rem)").matches) {
    filters.open = true;
  }
})();
