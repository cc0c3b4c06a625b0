// Hides the control bar while it is not used, and shows it again when it is.

/** Milliseconds without use after which the bar is hidden. */
const IDLE = 2600;

export class BarVisibility {
  #stage;
  #mayHide;
  #timer = 0;

  /**
   * @param {HTMLElement} stage
   * @param {() => boolean} mayHide
   * @param {AbortSignal} signal
   */
  constructor(stage, mayHide, signal) {
    this.#stage = stage;
    this.#mayHide = mayHide;
    for (const name of ["pointermove", "pointerdown", "focusin"]) {
      stage.addEventListener(name, () => this.wake(), { signal });
    }
    signal.addEventListener("abort", () => clearTimeout(this.#timer), { once: true });
  }

  /** Show the bar, and hide it again after a while without use. */
  wake() {
    this.#stage.classList.remove("idle");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#mayHide()) this.#stage.classList.add("idle");
    }, IDLE);
  }
}
