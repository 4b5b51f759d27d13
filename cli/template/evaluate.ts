// Runs a parsed Go template on a value.
import type { TemplateFunction } from './functions.ts';
import { type Node, type Operand, type Pipe, type Template, TemplateError } from './nodes.ts';
import { isFields, isTrue, printValue, Struct, typeName } from './values.ts';

export interface EvaluationOptions {
  functions: ReadonlyMap<string, TemplateFunction>;
  /** Whether a key that is there can be named. */
  isNamed?: (owner: object, key: string) => boolean;
  /** What a map without the key yields; may throw. */
  missingKey?: (key: string, owner: unknown) => unknown;
  /** How a field's value prints where its value alone does not tell. */
  fieldText?: (owner: unknown, field: string, value: unknown) => string | undefined;
}

const maxCalls = 100;
/** A template that loops over much may not fill the memory. */
const maxOutputLength = 1 << 28;

export function evaluateTemplate(template: Template, data: unknown, options: EvaluationOptions): string {
  const evaluation = new Evaluation(template, options, data);
  evaluation.run(template.main, data);
  return evaluation.output.join('');
}

class LoopControl {
  readonly kind: 'break' | 'continue';
  constructor(kind: 'break' | 'continue') {
    this.kind = kind;
  }
}

class Evaluation {
  readonly output: string[] = [];
  readonly #template: Template;
  readonly #options: EvaluationOptions;
  #length = 0;
  #calls = 0;
  #variables: [string, unknown][];

  constructor(template: Template, options: EvaluationOptions, root: unknown) {
    this.#template = template;
    this.#options = options;
    this.#variables = [['$', root]];
  }

  run(nodes: Node[], dot: unknown): void {
    for (const node of nodes) this.#node(node, dot);
  }

  #node(node: Node, dot: unknown): void {
    switch (node.kind) {
      case 'text':
        this.#write(node.text);
        return;
      case 'action': {
        const value = this.#pipe(node.pipe, dot);
        if (node.pipe.variables.length === 0) this.#write(this.#print(node.pipe, value, dot));
        return;
      }
      case 'if':
      case 'with':
        this.#scoped(() => {
          const value = this.#pipe(node.pipe, dot);
          const inner = node.kind === 'with' ? value : dot;
          if (isTrue(value)) this.run(node.body, inner);
          else this.run(node.otherwise, dot);
        });
        return;
      case 'range':
        this.#scoped(() => this.#range(node, dot));
        return;
      case 'template':
        this.#call(node, dot);
        return;
      default:
        throw new LoopControl(node.kind);
    }
  }

  #print(pipe: Pipe, value: unknown, dot: unknown): string {
    const { fieldText } = this.#options;
    const operand = pipe.commands.length === 1 ? pipe.commands[0]?.[0] : undefined;
    if (fieldText === undefined || operand?.kind !== 'field') return printValue(value);
    const owner = this.#operand(pipe, { ...operand, names: operand.names.slice(0, -1) }, dot);
    return fieldText(owner, operand.names.at(-1) ?? '', value) ?? printValue(value);
  }

  #write(text: string): void {
    this.#length += text.length;
    if (this.#length > maxOutputLength) throw new TemplateError('template: output too large');
    this.output.push(text);
  }

  #scoped(run: () => void): void {
    const mark = this.#variables.length;
    try {
      run();
    } finally {
      this.#variables.length = mark;
    }
  }

  #range(node: Node & { kind: 'range' }, dot: unknown): void {
    const value = this.#value(node.pipe, dot);
    const entries = this.#entries(value, node.pipe);
    if (entries.length === 0) {
      this.run(node.otherwise, dot);
      return;
    }
    const mark = this.#variables.length;
    for (const [key, item] of entries) {
      this.#variables.length = mark;
      const [first, second] = node.pipe.variables;
      if (first !== undefined) this.#assign(node.pipe, first, second === undefined ? item : key);
      if (second !== undefined) this.#assign(node.pipe, second, item);
      try {
        this.run(node.body, item);
      } catch (error) {
        if (!(error instanceof LoopControl)) throw error;
        if (error.kind === 'break') break;
      }
    }
  }

  #entries(value: unknown, pipe: Pipe): [unknown, unknown][] {
    if (Array.isArray(value)) return [...value.entries()];
    if (isFields(value)) {
      const keys = Object.keys(value).sort();
      return keys.map((key) => [key, value[key]]);
    }
    if (value === null || value === undefined) return [];
    if (typeof value === 'number') return Array.from({ length: Math.min(value, maxOutputLength) }, (_, i) => [i, i]);
    throw this.#error(pipe, `range can't iterate over ${printValue(value)}`);
  }

  #call(node: Node & { kind: 'template' }, dot: unknown): void {
    const body = this.#template.defined.get(node.name);
    if (!body) throw new TemplateError(`template: template ${JSON.stringify(node.name)} not defined`);
    const value = node.pipe ? this.#pipe(node.pipe, dot) : undefined;
    if (++this.#calls > maxCalls) throw new TemplateError('template: exceeded maximum template depth');
    const saved = this.#variables;
    this.#variables = [['$', value]];
    this.run(body, value);
    this.#variables = saved;
    this.#calls--;
  }

  #pipe(pipe: Pipe, dot: unknown): unknown {
    const value = this.#value(pipe, dot);
    for (const name of pipe.variables) this.#assign(pipe, name, value);
    return value;
  }

  #assign(pipe: Pipe, name: string, value: unknown): void {
    if (pipe.declares) {
      this.#variables.push([name, value]);
      return;
    }
    const variable = this.#variables.findLast(([known]) => known === name);
    if (!variable) throw this.#error(pipe, `undefined variable ${JSON.stringify(name)}`);
    variable[1] = value;
  }

  #value(pipe: Pipe, dot: unknown): unknown {
    let value: unknown;
    for (const [i, command] of pipe.commands.entries()) {
      value = this.#command(pipe, command, dot, i > 0 ? [value] : []);
    }
    return value;
  }

  #command(pipe: Pipe, command: Operand[], dot: unknown, piped: unknown[]): unknown {
    const [head, ...rest] = command;
    if (!head) return undefined;
    const args = () => [...rest.map((operand) => this.#operand(pipe, operand, dot)), ...piped];
    if (head.kind === 'function') {
      const { name } = head;
      // `and` and `or` stop at the operand that decides.
      if (name === 'and' || name === 'or') return this.#shortCircuit(pipe, name, rest, dot, piped);
      return this.#invoke(pipe, name, args());
    }
    if (rest.length === 0 && piped.length === 0) return this.#operand(pipe, head, dot);
    if (head.kind === 'field') return this.#operand(pipe, head, dot, args());
    throw this.#error(pipe, `can't give argument to non-function ${pipe.source}`);
  }

  #shortCircuit(pipe: Pipe, name: 'and' | 'or', operands: Operand[], dot: unknown, piped: unknown[]): unknown {
    let value: unknown;
    for (const operand of operands) {
      value = this.#operand(pipe, operand, dot);
      if (isTrue(value) === (name === 'or')) return value;
    }
    return piped.length > 0 ? piped[0] : value;
  }

  #invoke(pipe: Pipe, name: string, args: unknown[]): unknown {
    try {
      return this.#options.functions.get(name)?.(...args);
    } catch (error) {
      throw this.#error(pipe, `error calling ${name}: ${error instanceof Error ? error.message : String(error)}`, name);
    }
  }

  #operand(pipe: Pipe, operand: Operand, dot: unknown, args: unknown[] = []): unknown {
    switch (operand.kind) {
      case 'dot':
        return dot;
      case 'nil':
        return null;
      case 'literal':
        return operand.value;
      case 'pipe':
        return this.#value(operand.pipe, dot);
      case 'function':
        return this.#invoke(pipe, operand.name, args);
      case 'variable': {
        const variable = this.#variables.findLast(([name]) => name === operand.name);
        if (!variable) throw this.#error(pipe, `undefined variable ${JSON.stringify(operand.name)}`);
        return variable[1];
      }
      case 'field': {
        let value = this.#operand(pipe, operand.target, dot);
        for (const [i, name] of operand.names.entries()) {
          const isLast = i === operand.names.length - 1;
          value = this.#field(pipe, value, operand.names.slice(0, i + 1), name, isLast ? args : []);
        }
        return value;
      }
    }
  }

  #field(pipe: Pipe, value: unknown, path: string[], name: string, args: unknown[]): unknown {
    const shown = `.${path.join('.')}`;
    if (value instanceof Struct) {
      if (Object.hasOwn(value.methods, name)) return value.methods[name]?.(...args);
      if (Object.hasOwn(value.fields, name)) return value.fields[name]?.();
      throw this.#error(pipe, `can't evaluate field ${name} in type ${value.typeName}`, shown);
    }
    if (isFields(value)) {
      if (Object.hasOwn(value, name) && (this.#options.isNamed?.(value, name) ?? true)) return value[name];
      if (!this.#options.missingKey) return undefined;
      try {
        return this.#options.missingKey(name, value);
      } catch (error) {
        throw this.#error(pipe, error instanceof Error ? error.message : String(error), shown);
      }
    }
    if (value === undefined) return undefined;
    if (value === null) {
      throw this.#error(pipe, `nil pointer evaluating interface {}.${name}`, shown);
    }
    throw this.#error(pipe, `can't evaluate field ${name} in type ${typeName(value)}`, shown);
  }

  #error(pipe: Pipe, message: string, shown = pipe.source): TemplateError {
    const { line, column } = pipe.position;
    // Go points at the last part of a chain of fields.
    const offset = Math.max(0, pipe.source.indexOf(shown)) + (shown.startsWith('.') ? shown.lastIndexOf('.') : 0);
    return new TemplateError(`template: :${line}:${column + offset}: executing "" at <${shown}>: ${message}`);
  }
}
