// A context store on a directory of its own, with what it needs.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ContextStore } from '../../../daemon/build/contexts/context-store.ts';
import { Jail } from '../../../daemon/jail/jail.ts';
import { Trash } from '../../../daemon/jail/trash.ts';

export class ContextFixture {
  readonly path = mkdtempSync(join(tmpdir(), 'tsdocker-contexts-'));
  readonly jail: Jail;
  readonly trash: Trash;
  readonly contexts = join(this.path, 'build/contexts');
  store: ContextStore;

  constructor() {
    const trash = join(this.path, 'trash');
    mkdirSync(trash);
    this.jail = new Jail(this.path);
    this.trash = new Trash(trash, this.jail, (error) => {
      throw error;
    });
    this.store = this.reopen();
  }

  /** As the next daemon would. */
  reopen(): ContextStore {
    this.store = new ContextStore({ path: this.contexts, jail: this.jail, trash: this.trash });
    return this.store;
  }

  /** What lies in the store's own directories. */
  get left(): string[] {
    return ['once', 'kept']
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
