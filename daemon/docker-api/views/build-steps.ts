// A build as docker's classic stream tells it: step after step in the file's order, though stages run side by side. What a later step says is
// kept until its turn, and what the client does not take until it does.
import { StringDecoder } from 'node:string_decoder';
import type { PlannedStep } from '../../build/build-request.ts';
import type { BuildEvent } from '../../build/solver/build-event.ts';
import { leftOutText } from './build-view.ts';

/** Of one step's output that waits; what is more is left out, and told. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** Of all steps'. */
const MAX_WAITING_TOGETHER = 16 * 1024 * 1024;

/** Where the text of Docker's `stream` fields goes. */
export interface StepsOut {
  /** The client takes it; else what can be left out waits here. */
  readonly hasRoom: boolean;
  write(text: string): void;
}

type VertexEvent = Extract<BuildEvent, { kind: 'vertex' }>;

interface VertexState {
  isStarted: boolean;
  isComplete: boolean;
  isCached: boolean;
  hasFailed: boolean;
  readonly decoder: StringDecoder;
  waiting: Buffer[];
  waitingBytes: number;
  leftOutBytes: number;
}

export class BuildSteps {
  readonly #out: StepsOut;
  readonly #vertices = new Map<string, VertexState>();
  #steps: readonly PlannedStep[] = [];
  /** The step that is told now. */
  #at = 0;
  #isBegun = false;
  #saysRunning = false;
  #waitingBytes = 0;

  constructor(out: StepsOut) {
    this.#out = out;
  }

  plan(steps: readonly PlannedStep[]): void {
    this.#steps = steps;
    this.#advance(false);
  }

  take(event: BuildEvent): void {
    if (event.kind === 'vertex') this.#takeVertex(event);
    else if (event.kind === 'log') this.#takeLog(event.vertex, Buffer.from(event.bytes));
    else return;
    this.#advance(false);
  }

  /** The client takes something again. */
  resume(): void {
    this.#advance(false);
  }

  /** All is done: what nobody had to look at was there before. */
  end(): void {
    this.#advance(true);
  }

  /** It went wrong: the steps up to the one that failed are told. */
  fail(): void {
    const failed = this.#steps.findIndex(({ vertex }) => vertex !== undefined && this.#vertices.get(vertex)?.hasFailed);
    while (this.#at < failed) this.#tell(true);
    if (this.#at === failed) this.#tell(false);
  }

  #takeVertex(event: VertexEvent): void {
    const state = this.#stateOf(event.digest);
    if (event.startedMs !== undefined) state.isStarted = true;
    if (event.isCached) state.isCached = true;
    if (event.error !== undefined) state.hasFailed = true;
    else if (event.completedMs !== undefined) state.isComplete = true;
    // Whoever goes on has all of its inputs.
    if (state.isStarted || state.isCached) {
      for (const input of event.inputs) {
        const below = this.#stateOf(input);
        if (!below.isStarted) below.isCached = true;
        below.isComplete = true;
      }
    }
  }

  #takeLog(vertex: string, bytes: Buffer): void {
    const state = this.#stateOf(vertex);
    // Behind a gap nothing can follow before the gap was told.
    const room =
      state.leftOutBytes > 0
        ? 0
        : Math.min(MAX_WAITING_BYTES - state.waitingBytes, MAX_WAITING_TOGETHER - this.#waitingBytes);
    const kept = bytes.subarray(0, room);
    state.leftOutBytes += bytes.length - kept.length;
    if (kept.length === 0) return;
    state.waiting.push(kept);
    state.waitingBytes += kept.length;
    this.#waitingBytes += kept.length;
  }

  #stateOf(digest: string): VertexState {
    let state = this.#vertices.get(digest);
    if (state === undefined) {
      state = {
        isStarted: false,
        isComplete: false,
        isCached: false,
        hasFailed: false,
        decoder: new StringDecoder('utf8'),
        waiting: [],
        waitingBytes: 0,
        leftOutBytes: 0,
      };
      this.#vertices.set(digest, state);
    }
    return state;
  }

  #advance(isOver: boolean): void {
    while (this.#at < this.#steps.length && this.#tell(isOver)) {
      // The next one.
    }
  }

  /** Tells what is known of the step whose turn it is. True when it was all, and the next one's turn has come. */
  #tell(isOver: boolean): boolean {
    const step = this.#steps[this.#at];
    if (step === undefined) return false;
    const state = step.vertex === undefined ? undefined : this.#stateOf(step.vertex);
    if (!this.#isBegun) {
      this.#write(`Step ${this.#at + 1}/${this.#steps.length} : ${step.text}`);
      this.#write('\n');
      this.#isBegun = true;
    }
    if (state !== undefined) {
      if (state.isStarted && !state.isCached && !this.#saysRunning && /^run\b/i.test(step.text)) {
        this.#write(` ---> Running in ${shortId(step.vertex ?? '')}\n`);
        this.#saysRunning = true;
      }
      const isLast = state.isComplete || state.hasFailed || isOver;
      this.#writeWaiting(state, isLast);
      if (!state.isComplete && !isOver) return false;
      if (!state.hasFailed && !isFrom(step)) {
        if (state.isCached || !state.isStarted) this.#write(' ---> Using cache\n');
        else if (this.#saysRunning) this.#write(` ---> Removed intermediate container ${shortId(step.vertex ?? '')}\n`);
      }
    }
    const id = this.#idAt(this.#at);
    // Nothing is there yet before the first FROM, nor behind FROM scratch.
    if (id !== undefined) this.#write(` ---> ${shortId(id)}\n`);
    this.#at += 1;
    this.#isBegun = false;
    this.#saysRunning = false;
    return true;
  }

  /** `isLast`: it cannot wait any longer. */
  #writeWaiting(state: VertexState, isLast: boolean): void {
    const { hasRoom } = this.#out;
    if (!hasRoom && !isLast) return;
    if (!hasRoom) state.leftOutBytes += state.waitingBytes;
    else if (state.waiting.length > 0) this.#write(state.decoder.write(Buffer.concat(state.waiting)));
    if (state.leftOutBytes > 0) this.#write(leftOutText(state.leftOutBytes));
    this.#waitingBytes -= state.waitingBytes;
    state.waiting = [];
    state.waitingBytes = 0;
    state.leftOutBytes = 0;
  }

  #write(text: string): void {
    this.#out.write(text);
  }

  /** Of the files that the step stands on: its own or those of the last one of its stage that changed some; undefined: there are none. */
  #idAt(index: number): string | undefined {
    for (let at = index; at >= 0; at--) {
      const step = this.#steps[at];
      if (step?.vertex !== undefined) return step.vertex;
      if (step !== undefined && isFrom(step)) return undefined;
    }
    return undefined;
  }
}

function isFrom({ text }: PlannedStep): boolean {
  return /^from\b/i.test(text);
}

function shortId(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, 12);
}
