// A session that outlives the client that opened it, while work that others have joined still needs it.
import type { BlobSession, RegistrySession } from '../../registry/registry-session.ts';

export class SessionLease<S extends BlobSession = RegistrySession> {
  readonly session: S;
  #users = 0;

  constructor(session: S) {
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
