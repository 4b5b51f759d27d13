// What a Dockerfile says, instruction by instruction. Words and flags are as they are written, quotes and variables included: `expand.ts` makes
// them out, per instruction, with the variables that hold there. Source: docs.docker.com/reference/dockerfile, and BuildKit where that is silent.

/** Lines of the file, counted from 1; both ends belong to it. */
export interface LineRange {
  start: number;
  end: number;
}

export type EscapeChar = '\\' | '`';

export interface Dockerfile {
  directives: Directives;
  instructions: Instruction[];
  warnings: ParseWarning[];
  /** The file's own text without byte order mark, for excerpts. */
  text: string;
}

export interface Directives {
  /** `# syntax=`: the reference of a frontend image, without the options behind it. */
  syntax?: { reference: string; line: number };
  escape: EscapeChar;
  /** `# check=`: as it is written (`skip=…;error=true`). */
  check?: { text: string; line: number };
}

/** What BuildKit warns about while it parses; a rule of the lint. */
export interface ParseWarning {
  rule: 'NoEmptyContinuation';
  lines: LineRange;
}

interface InstructionBase {
  /** As it is written: `RUN`, `run`, `Run`. */
  keyword: string;
  lines: LineRange;
  /** The instruction on one line, without what continues it and without heredocs: what docker shows in `Step 1/2 : …`. */
  original: string;
  /** Comments directly before it, without `#` and blanks: descriptions of stages and arguments. */
  comments: string[];
}

export interface Heredoc {
  name: string;
  /** `3<<EOF`; 0 when none is written. */
  descriptor: number;
  /** False when any part of the name is quoted: then variables stay. */
  expand: boolean;
  /** `<<-`: leading tabs are not part of it. `content` still has them; `heredocText` has not. */
  stripTabs: boolean;
  /** With all its newlines, without the last line that ends it. */
  content: string;
}

/** `line` is given to the shell as one argument. For RUN it has the heredocs in it, when there are any. */
export interface ShellForm {
  form: 'shell';
  line: string;
}

export interface ExecForm {
  form: 'exec';
  args: string[];
}

/** `RUN <<EOF` and nothing else: run by the shell, or as a file when `text` begins with `#!`. */
export interface ScriptForm {
  form: 'script';
  name: string;
  /** Without the leading tabs that `<<-` takes away. */
  text: string;
}

export type Command = ShellForm | ExecForm;

export interface FromInstruction extends InstructionBase {
  kind: 'FROM';
  /** An image, `scratch`, or the name of an earlier stage. */
  base: string;
  /** In lower case, as stages are looked up. */
  name?: string;
  /** As it is written, with the `AS` before it. */
  as?: { keyword: string; name: string };
  platform?: string;
}

export interface RunInstruction extends InstructionBase {
  kind: 'RUN';
  command: Command | ScriptForm;
  heredocs: Heredoc[];
  /** Each `--mount` as it is written; `readMount` (run-mount.ts) makes it out with the variables that hold. */
  mounts: string[];
  network: 'default' | 'none' | 'host';
  security: 'sandbox' | 'insecure';
  /** Names of the flags that are written, in order. */
  flags: string[];
}

interface CopyBase extends InstructionBase {
  sources: string[];
  /** Files given as heredocs, `name` being the file's. Expanded when `expand`, copied behind `sources`. */
  files: InlineFile[];
  destination: string;
  chown?: string;
  /** Octal or symbolic. */
  chmod?: string;
  link: boolean;
  parents: boolean;
  exclude: string[];
}

export interface InlineFile {
  name: string;
  /** Without the leading tabs that `<<-` takes away. */
  text: string;
  expand: boolean;
}

export interface CopyInstruction extends CopyBase {
  kind: 'COPY';
  /** A stage's name or index, an image or a named context. */
  from?: string;
}

export interface AddInstruction extends CopyBase {
  kind: 'ADD';
  /** `sha256:…` of a URL, or the commit of a git repository. */
  checksum?: string;
  /** Not given: as the source's own query says. */
  keepGitDir?: boolean;
  /** Not given: local archives are unpacked, those of URLs are not. */
  unpack?: boolean;
}

export interface CmdInstruction extends InstructionBase {
  kind: 'CMD';
  command: Command;
}

export interface EntrypointInstruction extends InstructionBase {
  kind: 'ENTRYPOINT';
  command: Command;
}

/** `isLegacy`: `name rest of the line`, without `=`. */
export interface Pair {
  name: string;
  value: string;
  isLegacy: boolean;
}

export interface EnvInstruction extends InstructionBase {
  kind: 'ENV';
  pairs: Pair[];
}

export interface LabelInstruction extends InstructionBase {
  kind: 'LABEL';
  pairs: Pair[];
}

export interface ArgInstruction extends InstructionBase {
  kind: 'ARG';
  args: ArgDeclaration[];
}

export interface ArgDeclaration {
  name: string;
  /** Undefined: `ARG name`, without `=`. */
  value?: string;
  /** `# name description` before it. */
  description?: string;
}

export interface ExposeInstruction extends InstructionBase {
  kind: 'EXPOSE';
  /** `8080`, `8000-8010/udp`, `$port`: each may become several words when expanded. Sorted, as docker does. */
  ports: string[];
}

export interface VolumeInstruction extends InstructionBase {
  kind: 'VOLUME';
  paths: string[];
}

export interface UserInstruction extends InstructionBase {
  kind: 'USER';
  user: string;
}

export interface WorkdirInstruction extends InstructionBase {
  kind: 'WORKDIR';
  path: string;
}

export interface ShellInstruction extends InstructionBase {
  kind: 'SHELL';
  shell: string[];
}

export interface StopSignalInstruction extends InstructionBase {
  kind: 'STOPSIGNAL';
  signal: string;
}

export interface HealthcheckInstruction extends InstructionBase {
  kind: 'HEALTHCHECK';
  check: { kind: 'none' } | HealthcheckCommand;
}

/** Times in nanoseconds; 0 is docker's default, as for `retries`. */
export interface HealthcheckCommand {
  kind: 'command';
  command: Command;
  intervalNs: number;
  timeoutNs: number;
  startPeriodNs: number;
  startIntervalNs: number;
  retries: number;
}

export interface OnbuildInstruction extends InstructionBase {
  kind: 'ONBUILD';
  /** The instruction to run later, with its heredocs: what the image's config keeps. `parseInstruction` reads it. */
  trigger: string;
}

export interface MaintainerInstruction extends InstructionBase {
  kind: 'MAINTAINER';
  maintainer: string;
}

export type Instruction =
  | FromInstruction
  | RunInstruction
  | CopyInstruction
  | AddInstruction
  | CmdInstruction
  | EntrypointInstruction
  | EnvInstruction
  | ArgInstruction
  | LabelInstruction
  | ExposeInstruction
  | VolumeInstruction
  | UserInstruction
  | WorkdirInstruction
  | ShellInstruction
  | StopSignalInstruction
  | HealthcheckInstruction
  | OnbuildInstruction
  | MaintainerInstruction;

export type InstructionKind = Instruction['kind'];
