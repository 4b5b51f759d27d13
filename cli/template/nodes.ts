// The syntax tree of a Go template.

export type Node =
  | { kind: 'text'; text: string }
  | { kind: 'action'; pipe: Pipe }
  | { kind: 'if' | 'with'; pipe: Pipe; body: Node[]; otherwise: Node[] }
  | { kind: 'range'; pipe: Pipe; body: Node[]; otherwise: Node[] }
  | { kind: 'template'; name: string; pipe: Pipe | undefined }
  | { kind: 'break' | 'continue' };

export interface Pipe {
  /** Variables set by it, `$` included: none, one, or two in a range. */
  variables: string[];
  declares: boolean;
  commands: Operand[][];
  /** As the user wrote it, for messages. */
  source: string;
  /** Of its action. */
  position: { line: number; column: number };
}

export type Operand =
  | { kind: 'dot' }
  | { kind: 'nil' }
  | { kind: 'literal'; value: string | number | boolean | bigint }
  | { kind: 'variable'; name: string }
  | { kind: 'function'; name: string }
  | { kind: 'pipe'; pipe: Pipe }
  | { kind: 'field'; target: Operand; names: string[] };

export interface Template {
  main: Node[];
  defined: Map<string, Node[]>;
}

/** What is wrong with a template, in Go's words; `template: :1:2: …`. */
export class TemplateError extends Error {}
