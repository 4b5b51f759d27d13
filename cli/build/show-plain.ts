// A build without a terminal: a line for all that happens, each with the number of its vertex, in BuildKit's plain form.
import { StringDecoder } from 'node:string_decoder';
import type { BuildEventLine } from '../../daemon/docker-types/build.ts';
import { humanSize } from '../../daemon/protocols/units/human-units.ts';
import type { Output } from '../terminal/output.ts';
import type { BuildProgress, VertexProgress } from './progress-model.ts';
import { seconds } from './progress-model.ts';

export class PlainView {
  readonly #to: Output;
  readonly #progress: BuildProgress;
  readonly #named = new Set<string>();
  readonly #ended = new Set<string>();
  readonly #partial = new Map<string, { decoder: StringDecoder; text: string }>();

  constructor(to: Output, progress: BuildProgress) {
    this.#to = to;
    this.#progress = progress;
  }

  show(event: BuildEventLine): void {
    const vertex = this.#progress.take(event);
    if (vertex === undefined) return;
    this.#name(vertex);
    if (event.kind === 'log') this.#log(vertex, event);
    else if (event.kind === 'status') this.#status(vertex, event);
    else this.#end(vertex);
  }

  end(): void {
    for (const { short, url } of this.#progress.warnings)
      this.#to.line(`\n - ${short}${url === '' ? '' : ` (${url})`}`);
  }

  #name(vertex: VertexProgress): void {
    if (this.#named.has(vertex.digest) || vertex.name === '') return;
    this.#named.add(vertex.digest);
    this.#to.line(`${vertex.number === 1 ? '' : '\n'}#${vertex.number} ${vertex.name}`);
  }

  #log(vertex: VertexProgress, event: Extract<BuildEventLine, { kind: 'log' }>): void {
    let partial = this.#partial.get(vertex.digest);
    if (partial === undefined) {
      partial = { decoder: new StringDecoder('utf8'), text: '' };
      this.#partial.set(vertex.digest, partial);
    }
    const lines = (partial.text + partial.decoder.write(Buffer.from(event.bytes, 'base64'))).split('\n');
    partial.text = lines.pop() ?? '';
    const at = ((event.atMs - (vertex.startedMs ?? event.atMs)) / 1000).toFixed(3);
    for (const line of lines) this.#to.line(`#${vertex.number} ${at} ${line}`);
  }

  #status(vertex: VertexProgress, event: Extract<BuildEventLine, { kind: 'status' }>): void {
    const { id, current, total, startedMs, completedMs } = event;
    if (completedMs === undefined) return;
    const bytes =
      total > 0 ? ` ${humanSize(current)} / ${humanSize(total)}` : current > 0 ? ` ${humanSize(current)}` : '';
    this.#to.line(`#${vertex.number} ${id}${bytes} ${seconds(startedMs, completedMs)} done`);
  }

  #end(vertex: VertexProgress): void {
    if (this.#ended.has(vertex.digest)) return;
    const { number, error, isCached, startedMs, completedMs } = vertex;
    if (error === undefined && !isCached && completedMs === undefined) return;
    this.#ended.add(vertex.digest);
    const rest = this.#partial.get(vertex.digest)?.text ?? '';
    if (rest !== '') this.#to.line(`#${number} ${rest}`);
    if (error !== undefined) this.#to.line(`#${number} ERROR: ${error}`);
    else if (isCached) this.#to.line(`#${number} CACHED`);
    else this.#to.line(`#${number} DONE ${seconds(startedMs ?? 0, completedMs ?? startedMs ?? 0)}`);
  }
}
