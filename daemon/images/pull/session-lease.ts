// A session that outlives the client that opened it, while work that others have joined still needs it.
import type { RegistrySession } from '../../registry/registry-session.ts';

export class SessionLease {
  readonly session: RegistrySession;
  #users = 0;

  constructor(session: RegistrySession) {
    this.session = session;
  }

  /** It is closed with the last user. */
  use(): Disposable {
    this.#users++;
    let isUser = true;
    return {
      [Symbol.dispose]: () => {
        if (!isUser) return;
        isUser = false;
        this.#users--;
        if (this.#users === 0) this.session[Symbol.dispose]();
      },
    };
  }
}
