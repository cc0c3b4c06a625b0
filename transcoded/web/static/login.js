// The form that asks for a key. The key goes to the server once and comes back as a cookie that no script can read.
import * as api from "./api.js";
import { h } from "./dom.js";
import { asProblem } from "./problem.js";

/** @import { Shown } from "./app.js" */

/**
 * @param {HTMLElement} main
 * @param {() => void} done
 * @returns {Shown}
 */
export function show(main, done) {
  const message = h("p.form-error", { id: "key-error", role: "alert" });
  const key = h("input", {
    type: "password",
    id: "key",
    name: "key",
    autocomplete: "current-password",
    required: true,
    spellcheck: "false",
    autocapitalize: "none",
    "aria-describedby": "key-hint key-error",
  });
  const button = h("button.primary", { type: "submit" }, "Sign in");
  const form = h("form", {}, h("label", { for: "key" }, "Key"), key, message, button);
  const submit = async () => {
    if (!key.value) {
      key.focus();
      return;
    }
    button.disabled = true;
    message.textContent = "";
    key.removeAttribute("aria-invalid");
    try {
      await api.login(key.value);
      done();
    } catch (error) {
      const problem = asProblem(error);
      message.textContent = problem.detail || problem.title;
      key.setAttribute("aria-invalid", "true");
      key.select();
      key.focus();
    } finally {
      button.disabled = false;
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit();
  });
  void api.whyNoSignIn().then((why) => {
    if (why === null) return;
    message.textContent = why;
    key.disabled = true;
    button.disabled = true;
  });
  const heading = h("h1", { tabindex: -1 }, "Sign in");
  const logo = h("img", { src: "static/icon.svg", alt: "", width: 48, height: 48 });
  const hint = h("p.dim", { id: "key-hint" }, "This server is protected. Its operator has given you a key.");
  main.replaceChildren(h("section.login", {}, logo, heading, hint, form));
  key.focus();
  return { title: "Sign in", heading, focus: key };
}
