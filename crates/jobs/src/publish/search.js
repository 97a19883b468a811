// Finds pages by what stands in their titles. The table is in index.js.
"use strict";

const MOST = 40;
const field = document.getElementById("search");
const list = document.getElementById("found");
const table = window.deepinsideIndex.map(([title, address]) => ({ title, address, plain: title.toLowerCase() }));

function find() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    list.replaceChildren();
    list.hidden = words.length === 0;
    if (list.hidden) return;
    const found = table.filter(({ plain }) => words.every((word) => plain.includes(word)));
    for (const { title, address } of found.slice(0, MOST)) {
        const link = document.createElement("a");
        link.href = field.dataset.up + address;
        link.textContent = title;
        const item = document.createElement("li");
        item.append(link);
        list.append(item);
    }
    if (found.length === 0 || found.length > MOST) {
        const item = document.createElement("li");
        item.textContent = found.length === 0 ? "nothing is called so" : `and ${found.length - MOST} more`;
        list.append(item);
    }
}

field.addEventListener("input", find);
field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
        field.value = "";
        find();
    }
    if (event.key === "Enter") list.querySelector("a")?.click();
});
document.addEventListener("click", (event) => {
    if (!event.target.closest(".search")) list.hidden = true;
});
