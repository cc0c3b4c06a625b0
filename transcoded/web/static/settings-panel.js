// The settings: the button, and the panel of menus that it opens.
import { h } from "./dom.js";
import { toolButton } from "./tool.js";

export class SettingsPanel {
  node = h("div.panel", { id: "settings", role: "group", "aria-label": "Settings", hidden: true });
  button = toolButton("settings", "Settings", () => this.open(!this.isOpen));

  /**
   * @param {(HTMLElement | null)[]} fields
   * @param {() => unknown} showShortcuts
   * @param {AbortSignal} signal
   */
  constructor(fields, showShortcuts, signal) {
    this.button.setAttribute("aria-expanded", "false");
    this.button.setAttribute("aria-controls", this.node.id);
    const help = () => {
      this.open(false);
      showShortcuts();
    };
    this.node.append(
      ...fields.filter((field) => field !== null),
      h("button.quiet", { type: "button", onclick: help }, "Keyboard shortcuts"),
    );
    document.addEventListener("pointerdown", ({ target }) => this.#pressed(target), { signal });
  }

  get isOpen() {
    return !this.node.hidden;
  }

  /** @param {boolean} open */
  open(open) {
    this.node.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    if (open) this.node.querySelector("select")?.focus();
    else if (this.node.contains(document.activeElement)) this.button.focus();
  }

  /** @param {EventTarget | null} target */
  #pressed(target) {
    const inside = target instanceof Node && (this.node.contains(target) || this.button.contains(target));
    if (this.isOpen && !inside) this.open(false);
  }
}
