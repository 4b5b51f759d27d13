// What happened lately, in Docker's event form: a ring of the last 256 for `since`, and live subscribers. A subscriber that does not read is
// cut off after a bounded number of waiting events. Both are bounded in bytes too: events carry all labels of a container.
import { EngineError } from '../errors/engine-error.ts';
import { type Filters, matchLabels, noFilters } from './filters.ts';

export interface EventMessage {
  /** Docker's older spelling of Action, Actor.ID and image: only for containers and images. */
  status?: string;
  id?: string;
  from?: string;
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  scope: 'local';
  time: number;
  timeNano: number;
}

export interface SubscribeOptions {
  /** Nanoseconds since 1970; replays what the ring still has from then on. */
  sinceNs?: bigint;
  /** The stream ends at this time. Replays all that the ring has up to then when there is no `sinceNs`; 0 and less have no such end. */
  untilNs?: bigint;
  filters?: Filters;
  signal?: AbortSignal;
}

const ringSize = 256;
const waitingLimit = 4096;
/** Characters of JSON, for the ring and for what waits for one subscriber; one event always fits. */
const textLimit = 8 * 1024 * 1024;
const prefixActions: ReadonlySet<string> = new Set(['health_status', 'exec_create', 'exec_start']);
export const eventFilterKeys: ReadonlySet<string> = new Set([
  'type',
  'event',
  'container',
  'image',
  'network',
  'volume',
  'label',
  'daemon',
  'scope',
  'plugin',
  'service',
  'node',
  'secret',
  'config',
]);

interface Stored {
  ns: bigint;
  /** As it goes over the wire: timeNano is beyond what a JavaScript number holds, so it is written by hand. */
  json: string;
}

export class EventLog {
  readonly #ring: Stored[] = [];
  #ringText = 0;
  readonly #subscribers = new Set<(event: Stored, message: EventMessage) => void>();

  get listeners(): number {
    return this.#subscribers.size;
  }

  /** `labels` are attributes too, where `attributes` has no such key. They may be very many: one object is made of both, and no other. */
  publish(
    type: string,
    action: string,
    id: string,
    attributes: Readonly<Record<string, string>>,
    labels: Readonly<Record<string, string>> = {},
  ): void {
    const ns = wallClockNs();
    const own: Record<string, string> = Object.create(null);
    for (const key of [...Object.keys(labels), ...Object.keys(attributes)].sort())
      own[key] = (Object.hasOwn(attributes, key) ? attributes[key] : labels[key]) ?? '';
    const message: EventMessage = {
      ...(type === 'container' ? { status: action, id, from: own.image ?? '' } : {}),
      ...(type === 'image' ? { status: action, id } : {}),
      Type: type,
      Action: action,
      Actor: { ID: id, Attributes: own },
      scope: 'local',
      time: Number(ns / 1_000_000_000n),
      timeNano: Number(ns),
    };
    const stored = { ns, json: JSON.stringify(message).replace(/"timeNano":\d+\}$/, `"timeNano":${ns}}`) };
    this.#keep(stored);
    for (const subscriber of this.#subscribers) subscriber(stored, message);
  }

  #keep(stored: Stored): void {
    this.#ring.push(stored);
    this.#ringText += stored.json.length;
    while (this.#ring.length > ringSize || (this.#ringText > textLimit && this.#ring.length > 1)) {
      this.#ringText -= this.#ring.shift()?.json.length ?? 0;
    }
  }

  /**
   * One JSON text per event, in order; the caller adds line ends. Subscribes at once, before the first read. Throws 'invalid' when `since` is
   * after `until`.
   */
  subscribe(options: SubscribeOptions): AsyncIterable<string> & { close(): void } {
    const { sinceNs, untilNs, filters = noFilters } = options;
    if (sinceNs !== undefined && untilNs !== undefined && untilNs > 0n && sinceNs > untilNs) {
      throw new EngineError(
        'invalid',
        `\`since\` time (${seconds(sinceNs)}) cannot be after \`until\` time (${seconds(untilNs)})`,
      );
    }
    const waiting: string[] = [];
    let waitingText = 0;
    let wake: (() => void) | undefined;
    let ended = false;
    const deliver = (event: Stored, message: EventMessage) => {
      if (untilNs !== undefined && untilNs > 0n && event.ns > untilNs) return end();
      if (!matchEvent(filters, message)) return;
      if (waiting.length >= waitingLimit || waitingText > textLimit) return end();
      waiting.push(event.json);
      waitingText += event.json.length;
      wake?.();
    };
    const end = () => {
      ended = true;
      this.#subscribers.delete(deliver);
      options.signal?.removeEventListener('abort', end);
      if (timer !== undefined) clearTimeout(timer);
      wake?.();
    };
    let timer: NodeJS.Timeout | undefined;
    this.#subscribers.add(deliver);
    options.signal?.addEventListener('abort', end);
    if (sinceNs !== undefined || untilNs !== undefined) {
      for (const event of this.#ring) {
        if (event.ns >= (sinceNs ?? 0n) && !ended) deliver(event, JSON.parse(event.json));
      }
    }
    if (options.signal?.aborted) end();
    if (untilNs !== undefined && !ended) {
      const leftMs = Number((untilNs - wallClockNs()) / 1_000_000n);
      if (leftMs <= 0) end();
      else if (leftMs < 2 ** 31) timer = setTimeout(end, leftMs);
    }
    const iterate = async function* (): AsyncGenerator<string> {
      try {
        for (;;) {
          const next = waiting.shift();
          if (next !== undefined) {
            waitingText -= next.length;
            yield next;
          } else if (ended) return;
          else
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
        }
      } finally {
        end();
      }
    };
    return { [Symbol.asyncIterator]: iterate, close: end };
  }
}

/** As a client writes it: 1700000000 or 1700000000.5. */
function seconds(ns: bigint): string {
  const fraction =
    ns < 0n
      ? ''
      : String(ns % 1_000_000_000n)
          .padStart(9, '0')
          .replace(/0+$/, '');
  return `${ns / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`}`;
}

function matchEvent(filters: Filters, event: EventMessage): boolean {
  const any = (key: string, test: (value: string) => boolean): boolean => {
    const values = filters.get(key);
    return values === undefined || values.length === 0 || values.some(test);
  };
  const named = (type: string): boolean =>
    any(
      type,
      (value) => event.Type === type && (event.Actor.ID.startsWith(value) || event.Actor.Attributes.name === value),
    );
  const action = event.Action.split(':', 1)[0] ?? '';
  return (
    any('type', (value) => value === event.Type) &&
    any('event', (value) => value === event.Action || (prefixActions.has(action) && value === action)) &&
    any('scope', (value) => value === event.scope) &&
    ['container', 'network', 'volume', 'daemon', 'plugin', 'service', 'node', 'secret', 'config'].every(named) &&
    any('image', (value) => matchImage(event, value)) &&
    matchLabels(filters, event.Actor.Attributes)
  );
}

function matchImage(event: EventMessage, value: string): boolean {
  const name = (event.Type === 'image' ? event.Actor.Attributes.name : event.Actor.Attributes.image) ?? '';
  return event.Actor.ID === value || name === value || name.replace(/:[^:/]*$/, '') === value;
}

/** How far the two clocks may be apart: more means that the host's was set, or that the host has slept. */
const clockToleranceMs = 2;

/** Nanoseconds since 1970 by the host's clock: to a microsecond, or to a millisecond once that clock was set while this process ran. */
export function wallClockNs(): bigint {
  const coarseMs = Date.now();
  const fineMs = performance.timeOrigin + performance.now();
  const isSame = Math.abs(fineMs - coarseMs) <= clockToleranceMs;
  return BigInt(Math.round((isSame ? fineMs : coarseMs) * 1000)) * 1000n;
}
