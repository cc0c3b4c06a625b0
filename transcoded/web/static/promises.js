// Waiting, and limiting how many jobs run at once.

/**
 * Resolves after `ms`, or rejects with the signal's reason.
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
  });
}

/** @typedef {<T>(job: () => Promise<T>, signal: AbortSignal) => Promise<T>} Limiter */

/**
 * Runs at most `width` jobs at a time, the newest first. A job whose signal is aborted before its turn never starts.
 * @param {number} width
 * @returns {Limiter}
 */
export function limiter(width) {
  /** @type {{ run: () => Promise<void>, signal: AbortSignal, reject: (reason: unknown) => void }[]} */
  const waiting = [];
  let running = 0;
  const next = () => {
    while (running < width) {
      const job = waiting.pop();
      if (!job) return;
      if (job.signal.aborted) {
        job.reject(job.signal.reason);
        continue;
      }
      running += 1;
      void job.run().finally(() => {
        running -= 1;
        next();
      });
    }
  };
  return (job, signal) =>
    new Promise((resolve, reject) => {
      waiting.push({ run: () => job().then(resolve, reject), signal, reject });
      next();
    });
}
