// The JSON documents of an archive of images. Many entries may name the same one, and a packed archive of megabytes may hold gigabytes of
// them: what is read is bounded as a whole, and a config is read and kept once.
import { EngineError } from '../../errors/engine-error.ts';
import { type ImageConfig, MAX_CONFIG_BYTES, parseImageConfig } from '../documents/image-config.ts';
import { digestOf } from '../image-manifest.ts';
import type { ArchiveSpool, SpooledFile } from './archive-spool.ts';

/** A thousand images have some twenty megabytes of configs and manifests. */
const MAX_BYTES = 64 * 1024 * 1024;

export interface ReadConfig {
  /** sha256 of `configBytes`. */
  readonly id: string;
  readonly configBytes: Buffer;
  readonly config: ImageConfig;
}

export class ArchiveDocuments {
  readonly #spool: ArchiveSpool;
  readonly #configs = new Map<SpooledFile, ReadConfig>();
  #bytes = 0;

  constructor(spool: ArchiveSpool) {
    this.#spool = spool;
  }

  find(name: string): SpooledFile | undefined {
    return this.#spool.find(name);
  }

  get(name: string): SpooledFile {
    return this.#spool.get(name);
  }

  content(file: SpooledFile, maxBytes: number): Promise<Buffer> {
    this.#bytes += Math.min(file.bytes, maxBytes);
    if (this.#bytes > MAX_BYTES) {
      throw new EngineError('invalid', `read archive: its manifests and configs are more than ${MAX_BYTES} bytes`);
    }
    return this.#spool.content(file, maxBytes);
  }

  async config(file: SpooledFile): Promise<ReadConfig> {
    let read = this.#configs.get(file);
    if (read === undefined) {
      const configBytes = await this.content(file, MAX_CONFIG_BYTES);
      read = { id: digestOf(configBytes), configBytes, config: parseImageConfig(configBytes) };
      this.#configs.set(file, read);
    }
    return read;
  }
}
