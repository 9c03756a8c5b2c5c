(() => {
"use strict";
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
const filters = document.querySelector("details.filters");
if (filters && matchMedia("(min-width: 60rem)").matches) {
filters.open = true;
}
})();
