/** An AbortSignal that is only made if somebody asks for it: most connections never wait. */

import { setMaxListeners } from 'node:events';

export class CloseSignal {
  #controller: AbortController | null = null;
  #aborted = false;

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      // As many listeners as requests in flight; the connection bounds those.
      setMaxListeners(0, this.#controller.signal);
      if (this.#aborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  abort(): void {
    this.#aborted = true;
    this.#controller?.abort();
  }
}
