"use strict";
// What Swagger UI draws is put right as it appears, so that its files stay as they were made. React leaves attributes alone
// that it does not change itself.
const put = (name, value) => (element) => element.setAttribute(name, value);
const drop = (name) => (element) => element.removeAttribute(name);
const region = (label) => (element) => {
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", label);
};
const operation = (element) => element.closest(".opblock").querySelector(".opblock-summary-control").innerText.replace(/\s+/g, " ");
const MENDED = {
  ".information-container": region("About"),
  ".scheme-container": region("Authorization"),
  ".swagger-ui > .loading-container": put("role", "main"),
  "[role=region]:is(table)": (table) => table.setAttribute("aria-label", `Responses of ${operation(table)}`),
  // There is no second heading: the third follows the first. A page that could not be drawn has none but a fourth.
  "h3, h4, h5, h6": (heading) => heading.setAttribute("aria-level", heading.tagName[1] - 1),
  ".loading-container h4.title": put("aria-level", 1),
  ".loading-container .errors__title": put("aria-level", 2),
  // The button around the path opens the operation, by its address too: a link inside it is one too many.
  ".opblock-summary-control a[href]": drop("href"),
  // It says "Apply credentials" to ears, and "Authorize" to eyes.
  ".auth-btn-wrapper [aria-label]": drop("aria-label"),
  ".close-modal": put("aria-label", "Close"),
  ".json-schema-2020-12-accordion": (button) => button.textContent.trim() || button.setAttribute("aria-label", "Schema"),
  "[data-param-name] :is(input, select, textarea)": (field) =>
    field.setAttribute("aria-label", field.closest("[data-param-name]").dataset.paramName),
  ".body-param__text": put("aria-label", "Request body"),
  // What scrolls can be scrolled by keys.
  "pre.microlight": put("tabindex", 0),
};
const api = document.getElementById("api");
const mend = () => {
  for (const [selector, mended] of Object.entries(MENDED)) api.querySelectorAll(selector).forEach(mended);
};
new MutationObserver(mend).observe(api, { childList: true, subtree: true });

// The theme that was chosen on the other pages, or else the system's.
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("theme");
  } catch {
    // Storage is switched off: the system's theme it is.
  }
  document.documentElement.classList.toggle("dark-mode", chosen ? chosen === "dark" : dark.matches);
};
dark.addEventListener("change", paint);
paint();

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  validatorUrl: null,
});
