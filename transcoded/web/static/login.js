// The form that asks for a key. The key goes to the server once and comes back as a cookie that no script can read.
import * as api from "./api.js";
import { h } from "./dom.js";

export function show(main, done) {
  const message = h("p.formerror", { id: "key-error", role: "alert" });
  const key = h("input", {
    type: "password", id: "key", name: "key", autocomplete: "current-password", required: true, spellcheck: "false",
    autocapitalize: "none", "aria-describedby": "key-hint key-error",
  });
  const button = h("button.primary", { type: "submit" }, "Sign in");
  const submit = async (event) => {
    event.preventDefault();
    if (!key.value) { key.focus(); return; }
    button.disabled = true;
    message.textContent = "";
    key.removeAttribute("aria-invalid");
    try {
      await api.login(key.value);
      done();
    } catch (problem) {
      message.textContent = problem.detail || problem.title;
      key.setAttribute("aria-invalid", "true");
      key.select();
      key.focus();
    } finally {
      button.disabled = false;
    }
  };
  const heading = h("h1", { tabindex: "-1" }, "Sign in");
  main.replaceChildren(h("section.login", {},
    h("img", { src: "static/icon.svg", alt: "", width: "48", height: "48" }),
    heading,
    h("p.dim", { id: "key-hint" }, "This server is protected. Its operator has given you a key."),
    h("form", { onsubmit: submit }, h("label", { for: "key" }, "Key"), key, message, button)));
  key.focus();
  return { title: "Sign in", heading, focus: key };
}
