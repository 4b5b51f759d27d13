// strace(1) on a daemon and all that it starts, and what explain says, brought into one form in which they can be compared.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { eventually } from './eventually.ts';

/** By the number of each traced process or thread: what it called, one line per call, without what it was told by signals. */
export type Traces = ReadonlyMap<number, readonly string[]>;

/** Ends when `isWhole` says that all has come that is to come. */
export async function traced(
  pid: number,
  run: () => Promise<void>,
  isWhole: (traces: Traces) => boolean,
): Promise<Traces> {
  const directory = mkdtempSync('/tmp/tsdt-trace-');
  try {
    const tracer = spawn('strace', ['-ff', '-s', '4096', '-o', `${directory}/t`, '-p', `${pid}`], {
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => tracer.on('exit', resolve));
    try {
      await eventually('strace is attached', () => isTraced(pid));
      await run();
      // The last calls are still on their way into the files when the engine has answered.
      await eventually('the trace is whole', () => isWhole(read(directory)), { timeoutMs: 40_000 });
    } finally {
      tracer.kill('SIGINT');
      await ended;
    }
    return read(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function read(directory: string): Traces {
  const traces = readdirSync(directory).map((name): [number, string[]] => [
    Number(name.replace(/^t\./, '')),
    readFileSync(`${directory}/${name}`, 'utf8')
      .split('\n')
      .filter((line) => /^\w+\(/.test(line)),
  ]);
  return new Map(traces);
}

function isTraced(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every(
    (thread) => !readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8').includes('TracerPid:\t0\n'),
  );
}

/** The calls of a container's first process, clone3 to the execve that succeeds; those of processes that it forked on the way come after. */
export function childOf(traces: Traces): string[] {
  const processes = [...traces.values()];
  // Threads of the engine's jail pivot too: nobody but the launcher makes a process of its own memory with clone3.
  const made = processes.flatMap((calls) => calls.map((call) => /^clone3\((?!.*CLONE_VM).* = (\d+)$/.exec(call)?.[1]));
  const child = traces.get(Number(made.find((pid) => pid !== undefined))) ?? [];
  // strace names the process by its own number; in the container it has another.
  const next = processes.find((calls) =>
    /^sendmsg\(\d+, .*iov_len=12.*MSG_NOSIGNAL\)|^prctl\(PR_SET_PDEATHSIG, SIGKILL\)/.test(calls[0] ?? ''),
  );
  const fork = child.findIndex((call) => call.startsWith('clone('));
  const calls = fork < 0 ? child : [...child.slice(0, fork + 1), ...(next ?? [])];
  const end = calls.findIndex((call) => /^execve\(.*= 0$/.test(call));
  return calls.slice(0, end + 1).filter((call) => !/^openat2\(.* = -1 EAGAIN/.test(call));
}

const DESCRIPTORS =
  /^(close|fchdir|write|fstat|fchown|dup2|dup3|sendmsg|recvfrom|fstatfs|fcntl|setns|move_mount|open_tree|fsconfig|fsmount|mount_setattr|mkdirat|mknodat|symlinkat|openat2|ioctl)$/;
const MAKES_DESCRIPTOR = /^(openat|openat2|open_tree|fsopen|fsmount|socket)$/;
/** Told apart by their name alone: numbers in them are not the caller's to choose, or the two sides write them in different ways. */
const BARE =
  /^(rt_sigaction|rt_sigprocmask|mmap|getcwd|clone|poll|ppoll|getpid|prlimit64|sendmsg|recvfrom|fstat|fstatfs)$/;

/**
 * One call as `name | descriptors | texts | words`, from strace or from explain. Descriptors above `highest`, which are the launcher's own
 * and have names in explain, are `#`.
 */
export function callKey(line: string, highest: number): string {
  const whole = line.replace(/\d+<[^>]*>/g, (found) => found.replace(/<.*/, '')).replace(/\/\*.*?\*\//g, '');
  const [, text = '', result = ''] = /^(.*?)(?: += (-?\w+|\?)(?: [A-Z]+(?: \(.*\))?| \(.*\))?)?$/s.exec(whole) ?? [];
  let [, name = '', plain = ''] = /^(\w+)\((.*)\)\s*$/s.exec(text) ?? [];
  if (name === 'newfstatat' && plain.includes('AT_EMPTY_PATH')) name = 'fstat';
  const isBare = BARE.test(name);
  const texts = isBare ? [] : [...plain.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, inner]) => inner);
  const outside = plain.replace(/"((?:[^"\\]|\\.)*)"/g, '');
  const words = [...new Set(outside.match(/\b[A-Z][A-Z0-9_]{4,}\b/g) ?? [])]
    .filter((word) => word !== 'O_RDONLY' && (name !== 'ioctl' || /^[ST]IO/.test(word)))
    .sort();
  const number = (value: string) => (/^\d+$/.test(value) ? (Number(value) > highest ? '#' : value) : '#');
  const descriptors: string[] = [];
  if (DESCRIPTORS.test(name)) {
    const parts = outside.split(', ');
    const count = name === 'move_mount' ? [0, 2] : name.startsWith('dup') ? [0, 1] : name === 'symlinkat' ? [1] : [0];
    for (const i of count) {
      const part = (parts[i] ?? '').trim();
      if (/^(\d+|status|std\w+)$/.test(part)) descriptors.push(number(part));
    }
  }
  if (MAKES_DESCRIPTOR.test(name) && result !== '') descriptors.push(`-> ${result}`);
  return [name, descriptors.join(' '), texts.join(' '), isBare ? '' : words.join(' ')].join(' | ');
}

export interface ExplainedCall {
  text: string;
  times: number;
  isOptional: boolean;
}

/** The rows of explain's sections on the child. */
export function explainedCalls(text: string): ExplainedCall[] {
  const sections = text.split('\n\n').filter((section) => section.startsWith('The child, '));
  return sections
    .flatMap((section) => section.split('\n').slice(1))
    .map((row) => {
      const [, call = '', times, note = ''] = /^ {2}[ \d]{4} {2}(.*?)(?: {2}× (\d+))?(?: {2}# (.*))?$/.exec(row) ?? [];
      if (call === '') throw new Error(`not a row of explain: ${row}`);
      return { text: call, times: Number(times ?? 1), isOptional: note.endsWith('if it exists') };
    });
}

/** The same calls on both sides: what strace saw, and what explain says that it would see. */
export function compareCalls(
  explained: readonly ExplainedCall[],
  seen: readonly string[],
): { explained: string[]; seen: string[] } {
  const highest = Math.max(
    2,
    ...explained.flatMap(({ text }) =>
      [...text.matchAll(/(?:^|\D)(\d+)<|dup3\(\d+, (\d+)/g)].map(([, a, b]) => Number(a ?? b)),
    ),
  );
  const keys = seen.map((line) => callKey(line, highest));
  const wanted: string[] = [];
  for (const [index, { text, times, isOptional }] of explained.entries()) {
    const before = explained[index - 1];
    // What is not there is passed over: neither written nor closed.
    const lookup = isOptional
      ? index
      : before?.isOptional
        ? index - 1
        : explained[index - 2]?.isOptional
          ? index - 2
          : -1;
    if (lookup >= 0 && lookup < index && seen[wanted.length - (index - lookup - 1) - 1]?.includes('= -1 ENOENT'))
      continue;
    const key = callKey(text, highest);
    for (let i = 0; i < times; i++) wanted.push(key);
  }
  // Of the places where the command may be, the first that has it ends the trace.
  const isRun = (key: string) => key.startsWith('execve | ');
  const tried = keys.filter(isRun).length;
  const first = wanted.findIndex(isRun);
  return { explained: wanted.slice(0, first + tried), seen: keys };
}
