// What a build says while it goes on: docker's classic stream, and BuildKit's own as buildx prints it with --progress=rawjson.

/** A line of the classic stream. */
export interface BuildMessage {
  stream?: string;
  aux?: { ID?: string };
  error?: string;
  errorDetail?: { code?: number; message?: string };
  status?: string;
}

export interface BuiltStep {
  /** As in the Dockerfile: `RUN echo a`. */
  text: string;
  isCached: boolean;
}

export interface Built {
  /** '' when the build failed. */
  id: string;
  /** What the RUN steps wrote. */
  output: string;
  /** RUN, COPY, ADD and WORKDIR, in the order of their lines. */
  steps: BuiltStep[];
  error: string | undefined;
  /** The exit status of the command that failed the build. */
  code: number | undefined;
  /** The classic stream, where it was one. */
  messages: BuildMessage[];
}

const working = /^(RUN|COPY|ADD|WORKDIR)\b/i;

export function parseLines(text: string): BuildMessage[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line));
}

export function readBuildStream(text: string): Built {
  const messages = parseLines(text);
  const steps: BuiltStep[] = [];
  let output = '';
  let id = '';
  let failed: BuildMessage | undefined;
  let isWorking = false;
  for (const message of messages) {
    if (message.error !== undefined) failed = message;
    if (message.aux?.ID !== undefined) id = message.aux.ID;
    const words = message.stream ?? '';
    const step = /^Step \d+\/\d+ : ([\s\S]*)$/.exec(words)?.[1];
    if (step !== undefined) {
      isWorking = working.test(step);
      if (isWorking) steps.push({ text: step.trimEnd(), isCached: false });
    } else if (words.startsWith(' ---> Using cache')) {
      const last = steps.at(-1);
      if (isWorking && last !== undefined) last.isCached = true;
    } else if (
      !/^ ---> |^Removing intermediate container |^Successfully (built|tagged) |^\[Warning\] |^\n$/.test(words)
    ) {
      output += words;
    }
  }
  const code = failed?.errorDetail?.code;
  return { id: failed === undefined ? id : '', output, steps, error: failed?.error, code, messages };
}

interface Vertex {
  digest: string;
  name: string;
  started?: string;
  completed?: string;
  cached?: boolean;
  error?: string;
}

interface Progress {
  vertexes?: Vertex[];
  logs?: { vertex: string; data: string }[];
}

/** buildx's standard error. */
export function readBuildkitProgress(text: string): Omit<Built, 'id'> {
  const vertices = new Map<string, Vertex>();
  let output = '';
  let error = '';
  for (const line of text.split('\n')) {
    if (!line.startsWith('{')) {
      error = /^ERROR: (.*)/.exec(line)?.[1] ?? error;
      continue;
    }
    const { vertexes = [], logs = [] }: Progress = JSON.parse(line);
    for (const vertex of vertexes) vertices.set(vertex.digest, { ...vertices.get(vertex.digest), ...vertex });
    for (const { data } of logs) output += Buffer.from(data, 'base64').toString();
  }
  const numberOf = ({ name }: Vertex) => Number(/(\d+)\/\d+\]/.exec(name)?.[1]);
  const sorted = [...vertices.values()].sort((a, b) => numberOf(a) - numberOf(b) || 0);
  const steps = sorted.flatMap((vertex) => {
    const step = /^\[(?:\S+ +)?(\d+)\/\d+\] ([\s\S]*)$/.exec(vertex.name);
    const text = step?.[2] ?? '';
    return working.test(text) && vertex.started !== undefined ? [{ text, isCached: vertex.cached === true }] : [];
  });
  const code = /exit code: (\d+)/.exec(error)?.[1];
  return {
    output,
    steps,
    error: error === '' ? undefined : error,
    code: code === undefined ? undefined : Number(code),
    messages: [],
  };
}
