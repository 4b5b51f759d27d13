// A context store on a directory of its own, with what it needs.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ContextStore } from '../../../daemon/build/contexts/context-store.ts';
import { KeptContexts } from '../../../daemon/build/contexts/kept-contexts.ts';
import { Jail } from '../../../daemon/jail/jail.ts';
import { Trash } from '../../../daemon/jail/trash.ts';

export class ContextFixture {
  readonly path = mkdtempSync(join(tmpdir(), 'tsdocker-contexts-'));
  readonly jail: Jail;
  readonly trash: Trash;
  readonly contexts = join(this.path, 'build/contexts');
  store: ContextStore;
  kept: KeptContexts;
  /** Of what is kept. */
  maxBytes = 1024 ** 3;
  bootId = 'this';

  constructor() {
    const trash = join(this.path, 'trash');
    mkdirSync(trash);
    this.jail = new Jail(this.path);
    this.trash = new Trash(trash, this.jail, (error) => {
      throw error;
    });
    ({ store: this.store, kept: this.kept } = this.#open());
  }

  /** As the next daemon would. */
  reopen(): void {
    ({ store: this.store, kept: this.kept } = this.#open());
  }

  #open() {
    const common = { path: this.contexts, jail: this.jail, trash: this.trash };
    return {
      store: new ContextStore(common),
      kept: new KeptContexts({ ...common, maxBytes: this.maxBytes, bootId: this.bootId }),
    };
  }

  /** What lies in the store's own directories, apart from what is kept. */
  get left(): string[] {
    return ['once', 'offers']
      .map((name) => join(this.contexts, name))
      .filter((path) => existsSync(path))
      .flatMap((path) => readdirSync(path));
  }

  async close(): Promise<void> {
    this.trash.close();
    await this.jail.close();
    rmSync(this.path, { recursive: true, force: true });
  }
}
